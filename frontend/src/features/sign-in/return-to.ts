/** Knows where a person goes after signing in: only to a page of ours. */

export function returnTo(search: URLSearchParams): string {
  return ownPage(search.get("return_to"));
}

/** The page that was asked for, if it is one of this site. */
export function ownPage(wanted: string | null | undefined): string {
  // "//host" and "/\\host" would leave this site.
  return wanted && /^\/(?![/\\])/.test(wanted) && wanted !== "/" ? wanted : "/agents";
}
