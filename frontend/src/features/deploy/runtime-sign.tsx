/** What runs an agent, as a painted sign. */
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

export function RuntimeSign({ runtime }: { runtime: string }) {
  return (
    <span className="stencil inline-block self-start rounded-sm bg-hull px-2 py-1 text-on-hull">
      {runtimeName(runtime)}
    </span>
  );
}
