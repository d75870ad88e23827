/** An organisation's members, and invitations to it. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Body } from "./client";
import type { Role } from "./types";

export const memberKeys = {
  members: (orgId: string) => ["organisations", orgId, "members"] as const,
  invitations: (orgId: string) => ["organisations", orgId, "invitations"] as const,
};

/** What somebody may do: a role, roles on single agents by id, and whether those are all they see. */
export interface Rights {
  role: Role;
  restricted: boolean;
  grants: Record<string, Role>;
}

export const membersQuery = (orgId: string) =>
  infiniteQueryOptions({
    queryKey: memberKeys.members(orgId),
    queryFn: ({ pageParam, signal }) =>
      api.get("/organisations/{org_id}/members", {
        path: { org_id: orgId },
        query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export type MemberChange = Body<"/organisations/{org_id}/members/{user_id}", "patch">;

/** Changes rights, unless somebody else has changed them since `revision`. */
export function changeMember(
  orgId: string,
  userId: string,
  change: MemberChange,
  revision: number,
) {
  return api.patch("/organisations/{org_id}/members/{user_id}", {
    path: { org_id: orgId, user_id: userId },
    body: change,
    ifMatch: revision,
  });
}

/** Removes a member, or leaves. */
export const removeMember = (orgId: string, userId: string) =>
  api.delete("/organisations/{org_id}/members/{user_id}", {
    path: { org_id: orgId, user_id: userId },
  });

export const transferOrganisation = (orgId: string, userId: string) =>
  api.post("/organisations/{org_id}/transfer", {
    path: { org_id: orgId },
    body: { user_id: userId },
  });

export const invitationsQuery = (orgId: string) =>
  queryOptions({
    queryKey: memberKeys.invitations(orgId),
    queryFn: ({ signal }) =>
      api.get("/organisations/{org_id}/invitations", { path: { org_id: orgId }, signal }),
  });

export const invite = (orgId: string, email: string, rights: Rights, idempotencyKey: string) =>
  api.post("/organisations/{org_id}/invitations", {
    path: { org_id: orgId },
    body: { email, ...rights },
    idempotencyKey,
  });

export const resendInvitation = (orgId: string, id: string) =>
  api.post("/organisations/{org_id}/invitations/{invitation_id}/resend", {
    path: { org_id: orgId, invitation_id: id },
  });

export const revokeInvitation = (orgId: string, id: string) =>
  api.delete("/organisations/{org_id}/invitations/{invitation_id}", {
    path: { org_id: orgId, invitation_id: id },
  });

/** What the holder of a link is invited to; reading it changes nothing. */
export const invitationQuery = (token: string) =>
  queryOptions({
    queryKey: ["invitation", token] as const,
    queryFn: ({ signal }) =>
      api.post("/invitations/preview", { body: { token }, signal, asMyself: true }),
    staleTime: 60_000,
  });

export const acceptInvitation = (token: string) =>
  api.post("/invitations/accept", { body: { token }, asMyself: true });
