/** Keeps how a log is looked at in the address, so that a link shows the same to somebody else. */

import { useCallback, useMemo } from "react";
import { create } from "zustand";
import { persist } from "zustand/middleware";
import { LEVELS, type Level } from "./log-lines";
import { useSearch } from "./use-search";

export interface LogState {
  query: string;
  levels: ReadonlySet<Level>;
  /** The line a link points to. */
  line: string | null;
  utc: boolean;
}

/** What this browser likes, whichever log it is. */
export const useLogTaste = create<{
  utc: boolean;
  wrap: boolean;
  set: (change: { utc?: boolean; wrap?: boolean }) => void;
}>()(
  persist((set) => ({ utc: false, wrap: narrow(), set: (change) => set(change) }), {
    name: "slipway.logs",
  }),
);

export function useLogState(): [LogState, (change: Partial<LogState>) => void] {
  const [search, setSearch] = useSearch();
  const taste = useLogTaste();
  const query = search.get("q") ?? "";
  const wanted = search.get("levels") ?? "";
  const line = search.get("line");
  const utc = search.has("tz") ? search.get("tz") === "utc" : taste.utc;
  const state = useMemo(
    () => ({
      query,
      levels: new Set(LEVELS.filter((level) => wanted.split(",").includes(level))),
      line,
      utc,
    }),
    [query, wanted, line, utc],
  );
  const { set } = taste;
  const change = useCallback(
    (next: Partial<LogState>) => {
      if (next.utc !== undefined) set({ utc: next.utc });
      setSearch(
        (before) => {
          if (next.query !== undefined) put(before, "q", next.query);
          if (next.levels !== undefined) put(before, "levels", [...next.levels].join(","));
          if (next.line !== undefined) put(before, "line", next.line ?? "");
          if (next.utc !== undefined) put(before, "tz", next.utc ? "utc" : "local");
          return before;
        },
        { replace: true, preventScrollReset: true },
      );
    },
    [setSearch, set],
  );
  return [state, change];
}

function put(search: URLSearchParams, name: string, value: string): void {
  if (value === "") search.delete(name);
  else search.set(name, value);
}

// Where a line does not fit anyway, it had better be wrapped.
function narrow(): boolean {
  return typeof matchMedia === "function" && matchMedia("(max-width: 40rem)").matches;
}
