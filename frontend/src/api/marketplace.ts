/** The marketplace: searching it, reading an offer and its reviews, making a copy of one's own. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, type Body, newIdempotencyKey, type Query } from "./client";

type Search = Query<"/marketplace/agents">;
export type Sort = NonNullable<Search["sort"]>;

/** What is looked for; an empty word stands for "any". */
export interface Wanted {
  q: string;
  category: string;
  runtime: string;
  tag: string;
  sort: Sort;
}

export const offerKeys = {
  all: ["marketplace"] as const,
  one: (slug: string) => ["marketplace", "agents", slug] as const,
};

export const searchQuery = (wanted: Wanted) =>
  infiniteQueryOptions({
    queryKey: [...offerKeys.all, "search", wanted] as const,
    queryFn: ({ pageParam, signal }) =>
      api.get("/marketplace/agents", {
        query: { ...wanted, ...(pageParam ? { cursor: pageParam } : {}), limit: 24 } as Search,
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    // The last answer stays while the next one is on its way: nothing jumps between two letters.
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: false,
  });

export const offerQuery = (slug: string) =>
  queryOptions({
    queryKey: offerKeys.one(slug),
    queryFn: ({ signal }) => api.get("/marketplace/agents/{slug}", { path: { slug }, signal }),
  });

/** A page of the version that is shown, or of the one named. */
export function readPage(slug: string, path: string, signal: AbortSignal, version = "") {
  const query = { path, ...(version ? { version_id: version } : {}) };
  return api.get("/marketplace/agents/{slug}/docs", { path: { slug }, query, signal });
}

export function lookUpPages(slug: string, q: string, signal: AbortSignal, version = "") {
  const query = { q, ...(version ? { version_id: version } : {}) };
  return api.get("/marketplace/agents/{slug}/pages", { path: { slug }, query, signal });
}

export const reviewsQuery = (slug: string) =>
  infiniteQueryOptions({
    queryKey: [...offerKeys.one(slug), "reviews"] as const,
    queryFn: ({ pageParam, signal }) =>
      api.get("/marketplace/agents/{slug}/reviews", {
        path: { slug },
        query: { limit: 20, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

/** My own review and whether I may write one; only for people who have signed in. */
export const standingQuery = (slug: string) =>
  queryOptions({
    queryKey: [...offerKeys.one(slug), "standing"] as const,
    queryFn: ({ signal }) =>
      api.get("/marketplace/agents/{slug}/review", { path: { slug }, signal }),
  });

export function putReview(slug: string, stars: number, text: string) {
  return api.put("/marketplace/agents/{slug}/review", { path: { slug }, body: { stars, text } });
}

export function deleteReview(slug: string) {
  return api.delete("/marketplace/agents/{slug}/review", { path: { slug } });
}

export function voteHelpful(slug: string, reviewId: string, helpful: boolean) {
  const path = { slug, review_id: reviewId };
  return helpful
    ? api.put("/marketplace/agents/{slug}/reviews/{review_id}/helpful", { path })
    : api.delete("/marketplace/agents/{slug}/reviews/{review_id}/helpful", { path });
}

/** The author's answer to a review; an empty one takes it away. */
export function replyTo(agentId: string, reviewId: string, text: string) {
  return api.put("/agents/{agent_id}/reviews/{review_id}/reply", {
    path: { agent_id: agentId, review_id: reviewId },
    body: { text },
  });
}

export type NewReport = Body<"/marketplace/agents/{slug}/reports", "post">;

export function report(slug: string, body: NewReport) {
  return api.post("/marketplace/agents/{slug}/reports", { path: { slug }, body });
}

/** Says that somebody looks at it; what goes wrong with that is nobody's trouble. */
export function countView(slug: string): void {
  api.post("/marketplace/agents/{slug}/views", { path: { slug } }).catch(() => undefined);
}

export type NewCopy = Body<"/marketplace/agents/{slug}/copies", "post">;

export function makeCopy(slug: string, body: NewCopy, idempotencyKey: string) {
  return api.post("/marketplace/agents/{slug}/copies", { path: { slug }, body, idempotencyKey });
}

/** One key for each intention: the same order sent again is the same order. */
export function orderKeys(): (order: unknown) => string {
  let last = { order: "", key: "" };
  return (order) => {
    const text = JSON.stringify(order);
    if (text !== last.order) last = { order: text, key: newIdempotencyKey() };
    return last.key;
  };
}
