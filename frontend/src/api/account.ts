/** Queries of the signed-in person. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export const meQuery = queryOptions({
  queryKey: ["me"] as const,
  queryFn: ({ signal }) => api.get("/me", { signal }),
  staleTime: 60_000,
});

export const healthQuery = queryOptions({
  queryKey: ["health"] as const,
  queryFn: ({ signal }) => api.get("/health", { signal }),
  staleTime: 5 * 60_000,
});
