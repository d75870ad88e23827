/** Reports of listings and reviews that wait for an operator's decision. */
import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, type Body } from "./client";

export const reportsQuery = infiniteQueryOptions({
  queryKey: ["moderation", "reports"] as const,
  queryFn: ({ pageParam, signal }) =>
    api.get("/moderation/reports", {
      query: { limit: 25, ...(pageParam ? { cursor: pageParam } : {}) },
      signal,
      asMyself: true,
    }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

/** Answers every open report of the same thing; the author is shown the reason. */
export const decideReport = (
  id: string,
  body: Body<"/moderation/reports/{report_id}/decision", "post">,
) =>
  api.post("/moderation/reports/{report_id}/decision", {
    path: { report_id: id },
    body,
    asMyself: true,
  });
