/** Queries of agents: one factory each, used by pages, loaders and invalidation alike. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export const agentKeys = {
  all: ["agents"] as const,
  list: ["agents", "list"] as const,
  one: (id: string) => ["agents", id] as const,
};

export const agentsQuery = infiniteQueryOptions({
  queryKey: agentKeys.list,
  queryFn: ({ pageParam, signal }) =>
    api.get("/agents", {
      query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) },
      signal,
    }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

export const agentQuery = (agentId: string) =>
  queryOptions({
    queryKey: agentKeys.one(agentId),
    queryFn: ({ signal }) => api.get("/agents/{agent_id}", { path: { agent_id: agentId }, signal }),
  });
