/** Queries of agents: one factory each, used by pages, loaders and invalidation alike. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Body } from "./client";

export const agentKeys = {
  all: ["agents"] as const,
  list: ["agents", "list"] as const,
  one: (id: string) => ["agents", id] as const,
};

export const agentsQuery = infiniteQueryOptions({
  queryKey: agentKeys.list,
  queryFn: ({ pageParam, signal }) =>
    api.get("/agents", {
      query: {
        limit: 100,
        include: "production" as const,
        ...(pageParam ? { cursor: pageParam } : {}),
      },
      signal,
    }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
  // A long list is not read again as a whole because a window was looked at.
  refetchOnWindowFocus: (query) => (query.state.data?.pages.length ?? 0) <= 2,
});

export const agentQuery = (agentId: string) =>
  queryOptions({
    queryKey: agentKeys.one(agentId),
    queryFn: ({ signal }) => api.get("/agents/{agent_id}", { path: { agent_id: agentId }, signal }),
  });

export type AgentChange = Body<"/agents/{agent_id}", "patch">;

/** Changes an agent, unless somebody else has changed it since `revision`. */
export function changeAgent(agentId: string, change: AgentChange, revision: number) {
  return api.patch("/agents/{agent_id}", {
    path: { agent_id: agentId },
    body: change,
    ifMatch: revision,
  });
}

export function deleteAgent(agentId: string) {
  return api.delete("/agents/{agent_id}", { path: { agent_id: agentId } });
}
