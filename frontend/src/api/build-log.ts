/** The log of a build, read on from where it was read last. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";
import type { LogLine } from "./types";
import { versionKeys } from "./versions";

export interface NumberedLine extends LogLine {
  /** Counted from the first line of the log. */
  number: number;
}

interface BuildLog {
  lines: NumberedLine[];
  cursor: string | undefined;
  /** Whether more may come. */
  more: boolean;
}

const KEPT = 2000;

export const buildLogQuery = (agentId: string, versionId: string) =>
  queryOptions({
    queryKey: [...versionKeys.one(agentId, versionId), "log"] as const,
    queryFn: async ({ client, queryKey, signal }): Promise<BuildLog> => {
      const before = client.getQueryData<BuildLog>(queryKey);
      const page = await api.get("/agents/{agent_id}/versions/{version_id}/logs", {
        path: { agent_id: agentId, version_id: versionId },
        query: { limit: 2000, ...(before?.cursor ? { cursor: before.cursor } : {}) },
        signal,
      });
      if (before && page.items.length === 0 && page.more === before.more) return before;
      const last = before?.lines.at(-1)?.number ?? 0;
      const fresh = page.items.map((line, index) => ({ ...line, number: last + 1 + index }));
      return {
        lines: [...(before?.lines ?? []), ...fresh].slice(-KEPT),
        cursor: page.next_cursor ?? before?.cursor,
        more: page.more,
      };
    },
  });
