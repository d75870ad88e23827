/** Knows how answers are kept and failures tried again, for all queries. */
import { QueryClient } from "@tanstack/react-query";
import { ApiProblem } from "./problem";

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        gcTime: 10 * 60_000,
        retry: (failures, error) => {
          if (!(error instanceof ApiProblem) || !error.passing) return false;
          return failures < 3;
        },
        retryDelay: (failures, error) =>
          (error instanceof ApiProblem ? error.retryAfter : undefined) ??
          Math.min(8000, 500 * 2 ** failures),
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
}
