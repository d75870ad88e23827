/** What runs an agent, in words and as a painted sign. */
import { clsx } from "clsx";

const NAMES: Record<string, string> = {
  python: "Python",
  nodejs: "Node.js",
  rust: "Rust",
  static: "Static page",
  dockerfile: "Dockerfile",
};

export function runtimeName(runtime: string | null | undefined): string {
  return runtime ? (NAMES[runtime] ?? runtime) : "";
}

export function RuntimeSign({ runtime, className }: { runtime: string; className?: string }) {
  return (
    <span
      className={clsx(
        "stencil inline-block self-start rounded-sm bg-hull-2 px-2 py-1 text-on-hull",
        className,
      )}
    >
      {runtimeName(runtime)}
    </span>
  );
}
