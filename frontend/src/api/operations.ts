/** What operators of the platform see and do; to everybody else the API answers 404. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export const operationsKeys = {
  overview: ["operations"] as const,
  repairs: ["operations", "repairs"] as const,
  receipts: ["operations", "deliveries"] as const,
};

export const operationsQuery = queryOptions({
  queryKey: operationsKeys.overview,
  queryFn: ({ signal }) => api.get("/operations", { signal, asMyself: true }),
});

/** Thirty days, newest first. */
export const repairsQuery = infiniteQueryOptions({
  queryKey: operationsKeys.repairs,
  queryFn: ({ pageParam, signal }) =>
    api.get("/operations/repairs", {
      query: { limit: 25, ...(pageParam ? { cursor: pageParam } : {}) },
      signal,
      asMyself: true,
    }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

/** What the code host has told of no agent; thirty days, newest first. */
export const receiptsQuery = infiniteQueryOptions({
  queryKey: operationsKeys.receipts,
  queryFn: ({ pageParam, signal }) =>
    api.get("/operations/deliveries", {
      query: { limit: 25, ...(pageParam ? { cursor: pageParam } : {}) },
      signal,
      asMyself: true,
    }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

/** Asks the host now, instead of waiting for the hourly search. */
export const searchOrphans = () =>
  api.post("/operations/orphans/search", { asMyself: true, timeout: 60_000 });

export const removeOrphan = (id: string) =>
  api.post("/operations/orphans/{service_id}/remove", {
    path: { service_id: id },
    asMyself: true,
    timeout: 60_000,
  });
