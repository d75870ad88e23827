/** The mark: a load line, tilted into a slipway. */
import { clsx } from "clsx";

export function Mark({
  className,
  gap = "var(--color-hull)",
}: {
  className?: string;
  gap?: string;
}) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" className={clsx("shrink-0", className)}>
      <circle cx="16" cy="16" r="8.5" fill="none" stroke="currentColor" strokeWidth="3.4" />
      <path d="M0 22 32 10" stroke={gap} strokeWidth="8" />
      <path d="M1.5 21.4 30.5 10.6" stroke="var(--color-oxide-lit)" strokeWidth="3.4" />
    </svg>
  );
}

export function Wordmark({ className }: { className?: string }) {
  return (
    <span className={clsx("inline-flex items-center gap-2", className)}>
      <Mark className="size-7" />
      <span className="text-lg leading-none font-[680] tracking-[0.01em] [font-stretch:118%]">
        Slipway
      </span>
    </span>
  );
}
