/**
 * Where lists and hints that float are put: into the page's main part, so that screen readers find
 * them in a landmark; beside a dialog while one is open, since it hides everything else from them.
 */
export function portalHost(): HTMLElement | null {
  if (typeof document === "undefined" || document.querySelector("[role=dialog]")) return null;
  return document.getElementById("main");
}
