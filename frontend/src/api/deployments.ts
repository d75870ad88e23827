/** Queries of deployments, and which of their states are still on the way. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api } from "./client";
import type { DeploymentState } from "./types";

export const deploymentKeys = {
  of: (agentId: string) => ["agents", agentId, "deployments"] as const,
  one: (id: string) => ["deployments", id] as const,
};

const MOVING: ReadonlySet<DeploymentState> = new Set(["queued", "releasing", "verifying"]);

export function deploymentMoves(deployment: { state: DeploymentState }): boolean {
  return MOVING.has(deployment.state);
}

export const deploymentsQuery = (agentId: string) =>
  infiniteQueryOptions({
    queryKey: deploymentKeys.of(agentId),
    queryFn: ({ pageParam, signal }) =>
      api.get("/agents/{agent_id}/deployments", {
        path: { agent_id: agentId },
        query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const deploymentQuery = (deploymentId: string) =>
  queryOptions({
    queryKey: deploymentKeys.one(deploymentId),
    queryFn: ({ signal }) =>
      api.get("/deployments/{deployment_id}", { path: { deployment_id: deploymentId }, signal }),
  });
