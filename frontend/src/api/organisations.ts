/** The organisations one is in: listing, making, renaming, ending and restoring them. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export const organisationKeys = {
  all: ["organisations"] as const,
  mine: ["organisations", "mine"] as const,
  one: (id: string) => ["organisations", id] as const,
};

export const organisationsQuery = queryOptions({
  queryKey: organisationKeys.mine,
  queryFn: ({ signal }) =>
    api.get("/organisations", { query: { limit: 100 }, signal, asMyself: true }),
  staleTime: 60_000,
});

export const organisationQuery = (id: string) =>
  queryOptions({
    queryKey: organisationKeys.one(id),
    queryFn: ({ signal }) => api.get("/organisations/{org_id}", { path: { org_id: id }, signal }),
  });

export const createOrganisation = (name: string, idempotencyKey: string) =>
  api.post("/organisations", { body: { name }, idempotencyKey, asMyself: true });

/** Renames it, unless somebody else has changed it since `revision`. */
export const renameOrganisation = (id: string, name: string, revision: number) =>
  api.patch("/organisations/{org_id}", {
    path: { org_id: id },
    body: { name },
    ifMatch: revision,
  });

/** Stops everything in it now and removes it in seven days; `confirm` is its name. */
export const closeOrganisation = (id: string, confirm: string) =>
  api.delete("/organisations/{org_id}", { path: { org_id: id }, body: { confirm } });

export const restoreOrganisation = (id: string) =>
  api.post("/organisations/{org_id}/restore", { path: { org_id: id } });
