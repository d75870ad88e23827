/** Queries of an environment's variables. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export const variablesQuery = (agentId: string, environment = "production") =>
  queryOptions({
    queryKey: ["agents", agentId, "variables", environment] as const,
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/environments/{environment}/variables", {
        path: { agent_id: agentId, environment },
        signal,
      }),
  });
