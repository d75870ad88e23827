/** The agent a page is about, and what runs of it, for the parts of the page. */
import { useQueries } from "@tanstack/react-query";
import { useOutletContext } from "react-router";
import { deploymentMoves, deploymentQuery } from "@/api/deployments";
import type { AgentDetail, Deployment, Environment } from "@/api/types";

export function useAgent(): AgentDetail {
  return useOutletContext<AgentDetail>();
}

export interface Place extends Environment {
  /** The deployments that hold it, as far as they have been read. */
  now: Deployment | undefined;
  next: Deployment | undefined;
  error: Error | null;
  retry: () => void;
  reading: boolean;
}

/** The agent's environments with their deployments, production first; kept fresh. */
export function usePlaces(agent: AgentDetail): Place[] {
  const environments = [...(agent.environments ?? [])].sort(
    (a, b) =>
      Number(b.name === "production") - Number(a.name === "production") ||
      a.name.localeCompare(b.name),
  );
  const ids = environments.flatMap(({ serving, moving }) => [serving, moving]);
  const read = useQueries({
    queries: ids.map((id) => ({
      ...deploymentQuery(id ?? ""),
      enabled: id !== null,
      refetchInterval: (query: { state: { data?: Deployment | undefined } }) =>
        query.state.data && deploymentMoves(query.state.data) ? 800 : 10_000,
    })),
  });
  return environments.map((environment, index) => {
    const now = read[index * 2];
    const next = read[index * 2 + 1];
    return {
      ...environment,
      now: environment.serving ? now?.data : undefined,
      next: environment.moving ? next?.data : undefined,
      error: now?.error ?? next?.error ?? null,
      reading: Boolean(now?.isLoading || next?.isLoading),
      retry: () => {
        void now?.refetch();
        void next?.refetch();
      },
    };
  });
}
