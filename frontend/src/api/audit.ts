/** The audit log: reading it, taking it along, proving that nobody has changed it. */
import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, type Query, readLines } from "./client";

export type AuditFilter = Omit<Query<"/audit">, "cursor" | "limit">;

export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ["audit", filter] as const,
    queryFn: ({ pageParam, signal }) =>
      api.get("/audit", {
        query: { ...filter, limit: 50, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export interface Proof {
  sound: boolean;
  checked: number;
  last: number;
  anchor: string;
  broken: { sequence: number; detail: string } | null;
}

/** Follows the whole chain, part by part. `anchor`: what an earlier proof gave, to be held to. */
export async function verifyAudit(
  anchor: string | null,
  onProgress: (checked: number) => void,
): Promise<Proof> {
  let cursor: string | null = null;
  let checked = 0;
  for (;;) {
    const part: Awaited<ReturnType<typeof verifyPart>> = await verifyPart(cursor, anchor);
    checked += part.checked;
    onProgress(checked);
    if (!part.sound || part.next_cursor === null) {
      return {
        sound: part.sound,
        checked,
        last: part.last_sequence,
        anchor: part.anchor,
        broken: part.broken,
      };
    }
    cursor = part.next_cursor;
  }
}

function verifyPart(cursor: string | null, anchor: string | null) {
  return api.get("/audit/verify", {
    query: { ...(cursor ? { cursor } : {}), ...(anchor ? { anchor } : {}) },
    timeout: 60_000,
  });
}

/** The whole log as JSON lines, oldest first. */
export async function exportAudit(onProgress: (records: number) => void): Promise<Blob> {
  const parts: string[] = [];
  let records = 0;
  let cursor: string | null = null;
  do {
    const part: { text: string; next: string | null } = await readLines("/audit/export", cursor);
    parts.push(part.text);
    records += part.text.split("\n").length - 1;
    onProgress(records);
    cursor = part.next;
  } while (cursor !== null);
  return new Blob(parts, { type: "application/x-ndjson" });
}
