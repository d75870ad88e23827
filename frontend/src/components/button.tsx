/** Things to press: buttons, links that look like them, and buttons of one sign. */
import { clsx } from "clsx";
import type { LucideIcon } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";
import { Link } from "react-router";
import { Tooltip } from "./tooltip";

type Variant = "primary" | "plain" | "quiet" | "danger";
type Size = "sm" | "md" | "lg";

interface Look {
  variant?: Variant;
  size?: Size;
  icon?: LucideIcon | undefined;
}

const VARIANTS: Record<Variant, string> = {
  primary: "bg-sea text-on-sea hover:bg-sea-2 border-transparent",
  plain: "bg-plate text-ink border-control/70 hover:border-ink-2 hover:bg-sunk/60",
  quiet: "bg-transparent text-ink-2 border-transparent hover:bg-sunk hover:text-ink",
  danger: "bg-port text-on-port hover:bg-port-2 border-transparent",
};
const SIZES: Record<Size, string> = {
  sm: "h-8 px-2.5 text-sm gap-1.5",
  md: "h-9 px-3.5 text-sm gap-2",
  lg: "h-11 px-5 text-base gap-2.5",
};

export function buttonClass({ variant = "plain", size = "md" }: Look, className?: string): string {
  return clsx(
    "inline-flex max-w-full shrink-0 items-center justify-center rounded border font-[560] whitespace-nowrap select-none",
    "transition-colors duration-100 disabled:opacity-55 aria-disabled:opacity-55",
    VARIANTS[variant],
    SIZES[size],
    className,
  );
}

interface ButtonProps extends Look, ComponentProps<"button"> {
  /** Work is on its way: pressing again does nothing, the label stays where it is. */
  busy?: boolean | undefined;
}

export function Button({
  variant,
  size,
  icon: Icon,
  busy = false,
  className,
  children,
  type = "button",
  onClick,
  ...rest
}: ButtonProps) {
  return (
    <button
      type={type}
      className={buttonClass({ variant: variant ?? "plain", size: size ?? "md" }, className)}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      {...rest}
    >
      {busy ? <Spinner /> : Icon ? <Icon size={16} aria-hidden="true" strokeWidth={1.9} /> : null}
      {children}
    </button>
  );
}

interface ButtonLinkProps extends Look, ComponentProps<typeof Link> {}

export function ButtonLink({
  variant,
  size,
  icon: Icon,
  className,
  children,
  ...rest
}: ButtonLinkProps) {
  return (
    <Link
      className={buttonClass({ variant: variant ?? "plain", size: size ?? "md" }, className)}
      {...rest}
    >
      {Icon ? <Icon size={16} aria-hidden="true" strokeWidth={1.9} /> : null}
      {children}
    </Link>
  );
}

interface IconButtonProps extends Omit<ComponentProps<"button">, "aria-label"> {
  icon: LucideIcon;
  /** What it does; read out, and shown on hover and focus. */
  label: string;
  size?: "sm" | "md";
  /** Show the label on hover and focus too; not where the focus lands by itself. */
  tip?: boolean;
}

export function IconButton({
  icon: Icon,
  label,
  size = "md",
  className,
  tip = true,
  ...rest
}: IconButtonProps) {
  const button = (
    <button
      type="button"
      aria-label={label}
      className={clsx(
        "inline-flex shrink-0 items-center justify-center rounded text-ink-2 transition-colors hover:bg-sunk hover:text-ink disabled:opacity-55",
        size === "sm" ? "size-7" : "size-9",
        className,
      )}
      {...rest}
    >
      <Icon size={size === "sm" ? 15 : 18} aria-hidden="true" strokeWidth={1.8} />
    </button>
  );
  return tip ? <Tooltip text={label}>{button}</Tooltip> : button;
}

/** A lamp going round: something is under way. */
export function Spinner({ label, className }: { label?: string; className?: string }): ReactNode {
  return (
    <span className={clsx("inline-flex", className)}>
      <svg viewBox="0 0 16 16" className="size-4 animate-spin" aria-hidden="true">
        <circle
          cx="8"
          cy="8"
          r="6"
          fill="none"
          stroke="currentColor"
          strokeWidth="2"
          opacity="0.25"
        />
        <path d="M8 2a6 6 0 0 1 6 6" fill="none" stroke="currentColor" strokeWidth="2" />
      </svg>
      {label ? <span className="sr-only">{label}</span> : null}
    </span>
  );
}
