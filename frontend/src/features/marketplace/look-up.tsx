/** Searching in the pages of one agent's documentation. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import type { Passage } from "@/api/types";
import { TextField } from "@/components/field";
import { Problem } from "@/components/problem";
import { useTyped } from "./wanted";

export type LookUpPages = (
  q: string,
  signal: AbortSignal,
  version: string,
) => Promise<{ items: Passage[] }>;

export function LookUp({
  placeKey,
  lookUp,
  version,
  at,
}: {
  placeKey: readonly unknown[];
  lookUp: LookUpPages;
  version: string;
  /** The address of a page. */
  at: (path?: string) => string;
}) {
  const [wanted, setWanted] = useState("");
  const [text, setText] = useTyped(wanted, setWanted);
  const q = wanted.trim();
  const query = useQuery({
    queryKey: [...placeKey, "look-up", version, q],
    queryFn: ({ signal }) => lookUp(q, signal, version),
    enabled: q.length > 1,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
  const found = q.length > 1 ? query.data?.items : undefined;
  return (
    <search className="mb-4 block">
      <div className="relative">
        <Search
          size={16}
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 left-3 z-10 -translate-y-1/2 text-ink-3"
        />
        <TextField
          label="Search the documentation"
          hideLabel
          type="search"
          placeholder="Search the documentation"
          className="pl-9"
          maxLength={200}
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <p role="status" className="sr-only">
        {found ? `${found.length} places found` : ""}
      </p>
      {query.error ? <Problem compact error={query.error} className="mt-2" /> : null}
      {found ? (
        <ul aria-label="Found in the documentation" className="mt-2 divide-y divide-line text-sm">
          {found.length === 0 ? (
            <li className="py-2 text-ink-2">Nothing in it matches.</li>
          ) : (
            found.slice(0, 8).map((one) => (
              <li key={`${one.path} ${one.heading} ${one.excerpt}`} className="py-2">
                <Link
                  to={at(one.path === "readme" ? undefined : one.path)}
                  preventScrollReset
                  className="font-[560] hover:underline"
                  onClick={() => {
                    setText("");
                    setWanted("");
                  }}
                >
                  {one.heading && one.heading !== one.title
                    ? `${one.title}: ${one.heading}`
                    : one.title}
                </Link>
                <p className="break-words text-ink-2">{one.excerpt}</p>
              </li>
            ))
          )}
        </ul>
      ) : null}
    </search>
  );
}
