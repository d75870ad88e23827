/** Queries of an agent's versions, and which of their states are still on the way. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api } from "./client";
import type { VersionState } from "./types";

export const versionKeys = {
  of: (agentId: string) => ["agents", agentId, "versions"] as const,
  one: (agentId: string, id: string) => ["agents", agentId, "versions", id] as const,
};

const MOVING: ReadonlySet<VersionState> = new Set(["awaiting_upload", "uploaded", "building"]);

export function versionMoves(version: { state: VersionState }): boolean {
  return MOVING.has(version.state);
}

export const versionsQuery = (agentId: string) =>
  infiniteQueryOptions({
    queryKey: versionKeys.of(agentId),
    queryFn: ({ pageParam, signal }) =>
      api.get("/agents/{agent_id}/versions", {
        path: { agent_id: agentId },
        query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const versionQuery = (agentId: string, versionId: string) =>
  queryOptions({
    queryKey: versionKeys.one(agentId, versionId),
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/versions/{version_id}", {
        path: { agent_id: agentId, version_id: versionId },
        signal,
      }),
  });
