/** The secret of a link, kept over the way to sign in and back, in this tab alone. */
const KEPT = "slipway.share";

export function keptToken(hash = ""): string {
  const given = new URLSearchParams(hash.slice(1)).get("token");
  if (given) sessionStorage.setItem(KEPT, given);
  return given ?? sessionStorage.getItem(KEPT) ?? "";
}
