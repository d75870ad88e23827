/**
 * How something stands, as navigation lights: starboard green is confirmed and well, port red has
 * failed, a lantern is on its way. Each has a shape of its own, so colour is never all there is.
 */
import { clsx } from "clsx";

export type Tone = "live" | "moving" | "failed" | "resting" | "ended" | "warning";

const TONES: Record<Tone, string> = {
  live: "text-starboard",
  moving: "text-lantern",
  failed: "text-port",
  warning: "text-lantern",
  resting: "text-sea",
  ended: "text-ink-3",
};

export function Light({ tone, className }: { tone: Tone; className?: string }) {
  return (
    <svg
      viewBox="0 0 12 12"
      aria-hidden="true"
      className={clsx("size-3 shrink-0", TONES[tone], className)}
    >
      {tone === "live" ? <circle cx="6" cy="6" r="4.5" fill="currentColor" /> : null}
      {tone === "moving" ? (
        <g className="animate-lamp">
          <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.6" />
          <path d="M6 2a4 4 0 0 1 0 8z" fill="currentColor" />
        </g>
      ) : null}
      {tone === "failed" ? <path d="M1.5 1.5h9v9h-9z" fill="currentColor" /> : null}
      {tone === "warning" ? <path d="M6 1 11.5 11H.5z" fill="currentColor" /> : null}
      {tone === "resting" ? (
        <path d="M8.6 8.9A4.5 4.5 0 1 1 5.2 1.6a4 4 0 0 0 3.4 7.3z" fill="currentColor" />
      ) : null}
      {tone === "ended" ? (
        <circle cx="6" cy="6" r="3.8" fill="none" stroke="currentColor" strokeWidth="1.6" />
      ) : null}
    </svg>
  );
}

export interface StatusProps {
  tone: Tone;
  label: string;
  className?: string;
  /** The light stands elsewhere. */
  hideLight?: boolean;
}

export function Status({ tone, label, className, hideLight = false }: StatusProps) {
  return (
    <span
      className={clsx(
        "inline-flex items-center gap-1.5 text-sm font-[560]",
        TONES[tone],
        className,
      )}
    >
      {hideLight ? null : <Light tone={tone} />}
      {label}
    </span>
  );
}

/** A quiet word beside a name: a runtime, a role, an environment. */
export function Tag({ children, className }: { children: React.ReactNode; className?: string }) {
  return (
    <span
      className={clsx(
        "inline-flex items-center gap-1 rounded-sm border border-line bg-sunk/60 px-1.5 text-xs leading-5 text-ink-2",
        className,
      )}
    >
      {children}
    </span>
  );
}
