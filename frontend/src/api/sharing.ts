/** Sharing agents that are not public: with whom, and what others share with oneself. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, type Body, type Query } from "./client";
import { offerKeys, type Wanted } from "./marketplace";

export const shareKeys = {
  of: (agentId: string) => ["agents", agentId, "shares"] as const,
  shown: [...offerKeys.all, "shared"] as const,
};

export const sharesQuery = (agentId: string) =>
  queryOptions({
    queryKey: shareKeys.of(agentId),
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/shares", { path: { agent_id: agentId }, signal }),
  });

export type NewShare = Body<"/agents/{agent_id}/shares", "post">;

export function share(agentId: string, body: NewShare) {
  return api.post("/agents/{agent_id}/shares", { path: { agent_id: agentId }, body });
}

export function endShare(agentId: string, shareId: string) {
  return api.delete("/agents/{agent_id}/shares/{share_id}", {
    path: { agent_id: agentId, share_id: shareId },
  });
}

/** What one's organisation and others show, beside what is public. */
export const sharedQuery = (wanted: Wanted) =>
  queryOptions({
    queryKey: [...shareKeys.shown, "search", wanted] as const,
    queryFn: ({ signal }) =>
      api.get("/marketplace/shared", {
        query: { ...wanted, limit: 24 } as Query<"/marketplace/shared">,
        signal,
      }),
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: false,
  });

export const sharedOfferQuery = (offerId: string) =>
  queryOptions({
    queryKey: [...shareKeys.shown, offerId] as const,
    queryFn: ({ signal }) =>
      api.get("/marketplace/shared/{offer_id}", { path: { offer_id: offerId }, signal }),
  });

export function declineShared(offerId: string) {
  return api.delete("/marketplace/shared/{offer_id}", { path: { offer_id: offerId } });
}

export function readSharedPage(offerId: string, path: string, signal: AbortSignal) {
  return api.get("/marketplace/shared/{offer_id}/docs", {
    path: { offer_id: offerId },
    query: { path },
    signal,
  });
}

export function lookUpShared(offerId: string, q: string, signal: AbortSignal) {
  return api.get("/marketplace/shared/{offer_id}/pages", {
    path: { offer_id: offerId },
    query: { q },
    signal,
  });
}

export const linkedQuery = (token: string) =>
  queryOptions({
    queryKey: [...shareKeys.shown, "link", token] as const,
    queryFn: ({ signal }) => api.post("/marketplace/shared/preview", { body: { token }, signal }),
    retry: false,
    staleTime: 60_000,
  });

export function readLinkedPage(token: string, path: string, signal: AbortSignal) {
  return api.post("/marketplace/shared/page", { body: { token, path }, signal });
}

export function lookUpLinked(token: string, q: string, signal: AbortSignal) {
  return api.post("/marketplace/shared/pages", { body: { token, q }, signal });
}

export type SharedOrder = Body<"/marketplace/shared/copies", "post">;

export function makeSharedCopy(body: SharedOrder, idempotencyKey: string) {
  return api.post("/marketplace/shared/copies", { body, idempotencyKey });
}
