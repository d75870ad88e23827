/** Queries of the ways to sign in. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";
import { API } from "./session";

export const providersQuery = queryOptions({
  queryKey: ["auth", "providers"] as const,
  queryFn: ({ signal }) => api.get("/auth/providers", { signal }),
  staleTime: 10 * 60_000,
});

/** What a provider has proven in this browser, waiting to be linked. */
export const pendingLinksQuery = queryOptions({
  queryKey: ["me", "identities", "pending"] as const,
  queryFn: ({ signal }) => api.get("/me/identities/pending", { signal }),
});

/** Where the browser goes to sign in at a provider; it comes back by itself. */
export function departure(provider: string, returnTo: string): string {
  return `${API}/auth/${encodeURIComponent(provider)}/start?return_to=${encodeURIComponent(returnTo)}`;
}

/** Where the browser goes to add a provider's account to one's own. */
export function linking(provider: string): string {
  return `${API}/auth/${encodeURIComponent(provider)}/start?link=true&return_to=/profile/sign-in`;
}
