/** Knows what the person's role in the chosen organisation allows, by the table the API publishes. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { meQuery } from "./account";
import { api } from "./client";
import type { Action, Role } from "./types";

export const permissionsQuery = queryOptions({
  queryKey: ["permissions"] as const,
  queryFn: ({ signal }) => api.get("/permissions", { signal }),
  staleTime: 60 * 60_000,
});

/** Whether this may be offered; the API decides again. False as long as it is not known. */
export function useMay(): (action: Action) => boolean {
  const role = useQuery(meQuery).data?.role;
  const table = useQuery(permissionsQuery).data;
  return useCallback(
    (action) => (role && table ? (table.roles[role]?.includes(action) ?? false) : false),
    [role, table],
  );
}

const RANKS: Role[] = ["viewer", "developer", "admin", "owner"];

/** The roles somebody of this role gives and takes: all for owners, those below their own else. */
export function rolesBelow(role: Role): Role[] {
  return role === "owner" ? [...RANKS].reverse() : RANKS.slice(0, RANKS.indexOf(role)).reverse();
}
