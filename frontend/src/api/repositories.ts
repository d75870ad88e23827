/** Which repository an agent follows, what was told of it, its previews; and the app at GitHub. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { agentKeys } from "./agents";
import { api, type Body } from "./client";
import { ApiProblem } from "./problem";

export const repositoryKeys = {
  of: (agentId: string) => [...agentKeys.one(agentId), "repository"] as const,
  deliveries: (agentId: string) => [...agentKeys.one(agentId), "deliveries"] as const,
  previews: (agentId: string) => [...agentKeys.one(agentId), "previews"] as const,
  github: ["github"] as const,
};

/** Null: the agent is connected to none. */
export const repositoryQuery = (agentId: string) =>
  queryOptions({
    queryKey: repositoryKeys.of(agentId),
    queryFn: async ({ signal }) => {
      try {
        return await api.get("/agents/{agent_id}/repository", {
          path: { agent_id: agentId },
          signal,
        });
      } catch (problem) {
        if (problem instanceof ApiProblem && problem.code === "not_connected") return null;
        throw problem;
      }
    },
  });

export type RepositoryWish = Body<"/agents/{agent_id}/repository", "put">;

/** Connects, or changes how it is connected, unless somebody else did since `revision`. */
export function connect(agentId: string, body: RepositoryWish, revision?: number) {
  return api.put("/agents/{agent_id}/repository", {
    path: { agent_id: agentId },
    body,
    ...(revision === undefined ? {} : { ifMatch: revision }),
  });
}

export function disconnect(agentId: string) {
  return api.delete("/agents/{agent_id}/repository", { path: { agent_id: agentId } });
}

/** Another secret for the webhook; the former one ends. */
export function renewSecret(agentId: string) {
  return api.post("/agents/{agent_id}/repository/secret", { path: { agent_id: agentId } });
}

export const deliveriesQuery = (agentId: string) =>
  infiniteQueryOptions({
    queryKey: repositoryKeys.deliveries(agentId),
    queryFn: ({ pageParam, signal }) =>
      api.get("/agents/{agent_id}/deliveries", {
        path: { agent_id: agentId },
        query: { limit: 25, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export function redeliver(agentId: string, deliveryId: string) {
  return api.post("/agents/{agent_id}/deliveries/{delivery_id}/redeliver", {
    path: { agent_id: agentId, delivery_id: deliveryId },
  });
}

export const previewsQuery = (agentId: string) =>
  infiniteQueryOptions({
    queryKey: repositoryKeys.previews(agentId),
    queryFn: ({ pageParam, signal }) =>
      api.get("/agents/{agent_id}/previews", {
        path: { agent_id: agentId },
        query: { limit: 25, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

/** Lets this one commit of a fork run. */
export function approvePreview(agentId: string, number: number, sha: string) {
  return api.post("/agents/{agent_id}/previews/{number}/approve", {
    path: { agent_id: agentId, number: String(number) },
    body: { sha },
  });
}

export const badgeQuery = (agentId: string) =>
  queryOptions({
    queryKey: [...repositoryKeys.of(agentId), "badge"] as const,
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/badge", { path: { agent_id: agentId }, signal }),
  });

/** Whether there is an app, and where the organisation has installed it. */
export const githubQuery = queryOptions({
  queryKey: repositoryKeys.github,
  queryFn: ({ signal }) => api.get("/github", { signal }),
});

export const repositoriesQuery = (installationId: number, q: string) =>
  queryOptions({
    queryKey: [...repositoryKeys.github, "repositories", installationId, q] as const,
    queryFn: ({ signal }) =>
      api.get("/github/installations/{installation_id}/repositories", {
        path: { installation_id: String(installationId) },
        query: { limit: 50, ...(q ? { q } : {}) },
        signal,
      }),
    staleTime: 60_000,
  });

export const branchesQuery = (repository: string, installationId: number | null) => {
  const [owner = "", name = ""] = repository.split("/");
  return queryOptions({
    queryKey: [...repositoryKeys.github, "branches", repository, installationId] as const,
    queryFn: ({ signal }) =>
      api.get("/github/repositories/{owner}/{name}/branches", {
        path: { owner, name },
        query: { limit: 100, ...(installationId ? { installation_id: installationId } : {}) },
        signal,
      }),
    staleTime: 60_000,
  });
};

/** Where the browser goes to install the app. */
export const startInstallation = () => api.post("/github/installations");

export const completeInstallation = (body: Body<"/github/installations/complete", "post">) =>
  api.post("/github/installations/complete", { body });
