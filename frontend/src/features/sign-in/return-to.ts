/** Knows where a person goes after signing in: only to a page of ours. */

export function returnTo(search: URLSearchParams): string {
  const wanted = search.get("return_to") ?? "";
  // "//host" and "/\host" would leave this site.
  return /^\/(?![/\\])/.test(wanted) ? wanted : "/agents";
}
