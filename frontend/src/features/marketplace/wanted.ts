/** Knows what is looked for in the marketplace: it stands in the address, so links and Back work. */

import { useEffect, useMemo, useRef, useState } from "react";
import type { Sort, Wanted } from "@/api/marketplace";
import { useSearch } from "@/components/use-search";

export const SORTS: Record<Sort, string> = {
  relevance: "Best match",
  rating: "Best rated",
  deployments: "Most copied",
  newest: "Newest",
  updated: "Recently updated",
  trending: "Trending",
};
const MAX_WORDS = 200;
const PAUSE = 220;

export function useWanted(): [Wanted, (next: Partial<Wanted>) => void] {
  const [search, setSearch] = useSearch();
  const asked = search.toString();
  const wanted = useMemo(() => {
    const params = new URLSearchParams(asked);
    const sort = params.get("sort") ?? "";
    return {
      q: (params.get("q") ?? "").slice(0, MAX_WORDS),
      category: params.get("category") ?? "",
      runtime: params.get("runtime") ?? "",
      tag: params.get("tag") ?? "",
      sort: (sort in SORTS ? sort : "relevance") as Sort,
    };
  }, [asked]);
  const change = (next: Partial<Wanted>) =>
    setSearch(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [name, value] of Object.entries(next)) {
          if (value && !(name === "sort" && value === "relevance")) after.set(name, value);
          else after.delete(name);
        }
        return after;
      },
      // Letters replace each other in the history; a filter is a step of its own.
      { replace: "q" in next, preventScrollReset: true },
    );
  return [wanted, change];
}

export function isNarrowed({ q, category, runtime, tag }: Wanted): boolean {
  return [q, category, runtime, tag].some((word) => word !== "");
}

/** What stands in the field; it goes into the address after a short pause in typing. */
export function useTyped(value: string, commit: (text: string) => void) {
  const [text, setText] = useState(value);
  const known = useRef(value);
  const latest = useRef(commit);
  latest.current = commit;
  useEffect(() => {
    if (value === known.current) return;
    known.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === known.current) return;
    const timer = setTimeout(() => {
      known.current = text;
      latest.current(text);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText] as const;
}
