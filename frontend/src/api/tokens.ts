/** API tokens of the chosen organisation. */
import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, type Body } from "./client";

export const tokenKeys = { list: ["tokens"] as const };

export const tokensQuery = infiniteQueryOptions({
  queryKey: tokenKeys.list,
  queryFn: ({ pageParam, signal }) =>
    api.get("/tokens", {
      query: { limit: 100, ...(pageParam ? { cursor: pageParam } : {}) },
      signal,
    }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

export type NewToken = Body<"/tokens", "post">;

export const createToken = (token: NewToken) => api.post("/tokens", { body: token });

export const revokeToken = (id: string) =>
  api.delete("/tokens/{token_id}", { path: { token_id: id } });
