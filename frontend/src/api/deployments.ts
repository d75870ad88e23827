/** Queries of deployments, and which of their states are still on the way. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api } from "./client";
import type { DeploymentState } from "./types";

export const deploymentKeys = {
  of: (agentId: string) => ["agents", agentId, "deployments"] as const,
  recent: ["deployments", "recent"] as const,
  one: (id: string) => ["deployments", id] as const,
  events: (id: string, revision: number) => ["deployments", id, "events", revision] as const,
  variables: (id: string, compare: string | undefined) =>
    ["deployments", id, "variables", compare ?? ""] as const,
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

/** Those of all agents. */
export const recentDeploymentsQuery = infiniteQueryOptions({
  queryKey: deploymentKeys.recent,
  queryFn: ({ pageParam, signal }) =>
    api.get("/deployments", {
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

/** What had happened to it at a revision, oldest first; they are few, so one page holds them. */
export const eventsQuery = (deploymentId: string, revision: number) =>
  queryOptions({
    queryKey: deploymentKeys.events(deploymentId, revision),
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) =>
      api.get("/deployments/{deployment_id}/events", {
        path: { deployment_id: deploymentId },
        query: { limit: 100 },
        signal,
      }),
  });

/** The variables it runs with, beside another deployment's. */
export const deployedVariablesQuery = (deploymentId: string, compare?: string | undefined) =>
  queryOptions({
    queryKey: deploymentKeys.variables(deploymentId, compare),
    queryFn: ({ signal }) =>
      api.get("/deployments/{deployment_id}/variables", {
        path: { deployment_id: deploymentId },
        query: compare ? { compare } : {},
        signal,
      }),
    // What was deployed does not change any more.
    staleTime: Number.POSITIVE_INFINITY,
  });

type Operation = "rollback" | "restart" | "stop" | "cancel";

/** Does something to a deployment; answers the one that is there afterwards. */
export function operate(operation: Operation, deploymentId: string, key: string) {
  const path = { deployment_id: deploymentId };
  switch (operation) {
    case "rollback":
      return api.post("/deployments/{deployment_id}/rollback", { path, idempotencyKey: key });
    case "restart":
      return api.post("/deployments/{deployment_id}/restart", { path, idempotencyKey: key });
    case "stop":
      return api.post("/deployments/{deployment_id}/stop", { path });
    case "cancel":
      return api.post("/deployments/{deployment_id}/cancel", { path });
  }
}

/** Deploys a ready version to an environment. */
export function deploy(agentId: string, versionId: string, environment: string, key: string) {
  return api.post("/agents/{agent_id}/deployments", {
    path: { agent_id: agentId },
    body: { version_id: versionId, environment },
    idempotencyKey: key,
  });
}
