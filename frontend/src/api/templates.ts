/** Queries of the templates people begin with. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export const templatesQuery = queryOptions({
  queryKey: ["templates"] as const,
  queryFn: ({ signal }) => api.get("/templates", { signal }),
  staleTime: 10 * 60_000,
});
