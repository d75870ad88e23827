/** What the host measured: CPU, memory, traffic and requests over time. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";

/** The windows people can choose, in milliseconds. */
export const RANGES = {
  "1h": 3_600_000,
  "6h": 6 * 3_600_000,
  "24h": 24 * 3_600_000,
  "7d": 7 * 24 * 3_600_000,
  "30d": 30 * 24 * 3_600_000,
} as const;
export type Range = keyof typeof RANGES;

/** The last hours or days of the service a deployment belongs to, up to now. */
export const metricsQuery = (deploymentId: string, range: Range) =>
  queryOptions({
    queryKey: ["deployments", deploymentId, "metrics", range] as const,
    queryFn: async ({ signal }) => {
      const end = Date.now();
      const start = end - RANGES[range];
      const { series } = await api.get("/deployments/{deployment_id}/metrics", {
        path: { deployment_id: deploymentId },
        query: { start: new Date(start).toISOString(), end: new Date(end).toISOString() },
        signal,
      });
      return { start, end, series };
    },
    staleTime: 15_000,
  });
