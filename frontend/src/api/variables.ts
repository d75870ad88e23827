/** The variables of an environment: reading them, and writing them over what was read. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export interface WantedVariable {
  name: string;
  /** Null: a secret that keeps the value it has. */
  value: string | null;
  secret: boolean;
}

export const variableKeys = {
  of: (agentId: string, environment: string) =>
    ["agents", agentId, "variables", environment] as const,
};

export const variablesQuery = (agentId: string, environment: string) =>
  queryOptions({
    queryKey: variableKeys.of(agentId, environment),
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/environments/{environment}/variables", {
        path: { agent_id: agentId, environment },
        signal,
      }),
  });

/** Replaces all of them, unless somebody else has since `revision`. */
export function putVariables(
  agentId: string,
  environment: string,
  items: WantedVariable[],
  revision: number,
) {
  return api.put("/agents/{agent_id}/environments/{environment}/variables", {
    path: { agent_id: agentId, environment },
    body: { items },
    ifMatch: revision,
  });
}
