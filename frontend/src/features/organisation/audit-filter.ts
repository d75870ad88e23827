/** Knows how the audit log is narrowed down, in the address. */
import type { AuditFilter } from "@/api/audit";

const TEXTS = ["actor", "action", "subject"] as const;
const DAYS = ["since", "until"] as const;
export const FILTERS = [...TEXTS, "result", ...DAYS] as const;
type Result = NonNullable<AuditFilter["result"]>;

export const RESULTS: Record<Result, string> = {
  done: "Done",
  denied: "Denied",
  refused: "Refused",
};

/** Nouns of actions, as the log names them; one alone stands for all about it. */
export const NOUNS: Record<string, string> = {
  access: "Access",
  account: "Accounts",
  agent: "Agents",
  audit: "The log itself",
  deployment: "Deployments",
  identity: "Ways to sign in",
  invitation: "Invitations",
  listing: "Listings",
  member: "Members",
  orphan: "Operations",
  organisation: "The organisation",
  session: "Sessions",
  sign_in: "Signing in",
  token: "API tokens",
  variables: "Variables",
  version: "Versions",
};

/** The filter as the API takes it. Days are the reader's own: `until` includes its day. */
export function filterOf(search: URLSearchParams): AuditFilter {
  const filter: AuditFilter = {};
  for (const name of TEXTS) {
    const value = search.get(name)?.trim();
    if (value) filter[name] = value;
  }
  const result = search.get("result");
  if (result !== null && result in RESULTS) filter.result = result as Result;
  const since = dayOf(search.get("since"), 0);
  const until = dayOf(search.get("until"), 1);
  if (since) filter.since = since;
  if (until) filter.until = until;
  return filter;
}

export function isNarrowed(search: URLSearchParams): boolean {
  return FILTERS.some((name) => search.get(name));
}

function dayOf(text: string | null, later: number): string | undefined {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text ?? "");
  if (!found) return undefined;
  const date = new Date(Number(found[1]), Number(found[2]) - 1, Number(found[3]) + later);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
