/** An agent's listing: what the marketplace says of it; and, of a copy, what its author has newer. */
import { queryOptions } from "@tanstack/react-query";
import { api, type Body } from "./client";
import type { Visibility } from "./types";

export const listingKeys = {
  one: (agentId: string) => ["agents", agentId, "listing"] as const,
  updates: (agentId: string) => ["agents", agentId, "updates"] as const,
};

export const listingQuery = (agentId: string) =>
  queryOptions({
    queryKey: listingKeys.one(agentId),
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/listing", { path: { agent_id: agentId }, signal }),
  });

export type ListingChange = Body<"/agents/{agent_id}/listing", "put">;

/** Changes what is named, unless somebody else has changed it since `revision`. */
export function changeListing(agentId: string, body: ListingChange, revision: number) {
  return api.put("/agents/{agent_id}/listing", {
    path: { agent_id: agentId },
    body,
    ifMatch: revision,
  });
}

export function publish(
  agentId: string,
  versionId: string | null,
  visibility: Visibility = "public",
) {
  return api.post("/agents/{agent_id}/publish", {
    path: { agent_id: agentId },
    body: { ...(versionId ? { version_id: versionId } : {}), visibility },
  });
}

export function unpublish(agentId: string) {
  return api.post("/agents/{agent_id}/unpublish", { path: { agent_id: agentId } });
}

export const updatesQuery = (agentId: string) =>
  queryOptions({
    queryKey: listingKeys.updates(agentId),
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/updates", { path: { agent_id: agentId }, signal }),
    staleTime: 60_000,
  });

export type Acceptance = Body<"/agents/{agent_id}/updates/accept", "post">;

export function acceptUpdate(agentId: string, body: Acceptance, idempotencyKey: string) {
  return api.post("/agents/{agent_id}/updates/accept", {
    path: { agent_id: agentId },
    body,
    idempotencyKey,
  });
}
