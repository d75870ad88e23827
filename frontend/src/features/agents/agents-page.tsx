/** The dashboard: every agent of the organisation, how it stands, and what needs a look. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { clsx } from "clsx";
import { Anchor, Search } from "lucide-react";
import { useEffect, useMemo, useRef } from "react";
import { agentsQuery } from "@/api/agents";
import type { ListedAgent } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { useOffer } from "@/components/commands";
import { Empty } from "@/components/empty";
import { SelectField, TextField } from "@/components/field";
import { Page, Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { runtimeName } from "@/components/runtime";
import { SkeletonRows } from "@/components/skeleton";
import { Light } from "@/components/status";
import { useSearch } from "@/components/use-search";
import { AgentList } from "./agent-list";
import { countLots, type Filter, isNarrowed, LOTS, matches } from "./filters";

const RUNTIMES = ["python", "nodejs", "rust", "static", "dockerfile"];

export function AgentsPage() {
  const query = useInfiniteQuery(agentsQuery);
  const [filter, setFilter] = useFilter();
  const agents = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const shown = useMemo(() => agents.filter((agent) => matches(agent, filter)), [agents, filter]);
  const narrowed = isNarrowed(filter);
  useRest(narrowed, query);
  const none = query.data !== undefined && agents.length === 0;
  return (
    <Page title="Agents">
      {none ? null : <Tools agents={agents} filter={filter} onChange={setFilter} />}
      <Plate flush>
        <QueryView
          query={query}
          loading={<SkeletonRows rows={8} height="h-17" />}
          isEmpty={() => none}
          empty={<First />}
        >
          {() =>
            shown.length === 0 && !query.hasNextPage ? (
              <Empty
                title="None of your agents matches"
                action={
                  <Button onClick={() => setFilter({ text: "", lot: "", runtime: "" })}>
                    Show all
                  </Button>
                }
              />
            ) : (
              <AgentList
                agents={shown}
                onEnd={() => {
                  if (query.hasNextPage && !query.isFetchingNextPage) query.fetchNextPage();
                }}
              />
            )
          }
        </QueryView>
      </Plate>
      <p role="status" className="figures mt-3 min-h-6 text-sm text-ink-3">
        {told(agents.length, shown.length, narrowed, query.hasNextPage)}
      </p>
    </Page>
  );
}

function told(all: number, shown: number, narrowed: boolean, more: boolean): string {
  if (all === 0) return "";
  const number = (value: number) => value.toLocaleString("en");
  if (narrowed && more) return `${number(shown)} found so far, looking through the rest`;
  if (narrowed) return `${number(shown)} of ${number(all)}`;
  return more ? `${number(all)} shown; more as you scroll` : `${number(all)} in all`;
}

/** What is looked for is in the address: links and Back work. */
function useFilter(): [Filter, (next: Filter) => void] {
  const [search, setSearch] = useSearch();
  const text = search.get("q") ?? "";
  const lot = search.get("is") ?? "";
  const runtime = search.get("runtime") ?? "";
  const filter = useMemo(() => ({ text, lot, runtime }), [text, lot, runtime]);
  return [
    filter,
    (next) =>
      setSearch(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of [
            ["q", next.text],
            ["is", next.lot],
            ["runtime", next.runtime],
          ] as const) {
            if (value) after.set(name, value);
            else after.delete(name);
          }
          return after;
        },
        { replace: true, preventScrollReset: true },
      ),
  ];
}

/** While something is looked for, the pages that were not read yet are read too. */
function useRest(
  wanted: boolean,
  query: { hasNextPage: boolean; isFetching: boolean; isError: boolean; fetchNextPage: () => void },
): void {
  const { hasNextPage, isFetching, isError, fetchNextPage } = query;
  useEffect(() => {
    if (wanted && hasNextPage && !isFetching && !isError) fetchNextPage();
  }, [wanted, hasNextPage, isFetching, isError, fetchNextPage]);
}

function Tools({
  agents,
  filter,
  onChange,
}: {
  agents: ListedAgent[];
  filter: Filter;
  onChange: (next: Filter) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  useOffer(
    useMemo(
      () => [
        {
          id: "find-agent",
          title: "Find an agent",
          group: "This page",
          keys: "/",
          run: () => input.current?.focus(),
        },
      ],
      [],
    ),
  );
  const counts = useMemo(() => countLots(agents), [agents]);
  return (
    <div className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-3">
      <div className="relative w-full sm:w-72">
        <Search
          size={15}
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 left-3 z-10 -translate-y-1/2 text-ink-3"
        />
        <TextField
          ref={input}
          label="Find an agent"
          hideLabel
          type="search"
          placeholder="Find by name or words"
          className="pl-9"
          value={filter.text}
          onChange={(event) => onChange({ ...filter, text: event.target.value })}
        />
      </div>
      <SelectField
        label="Runtime"
        hideLabel
        value={filter.runtime}
        onChange={(event) => onChange({ ...filter, runtime: event.target.value })}
      >
        <option value="">Every runtime</option>
        {RUNTIMES.map((runtime) => (
          <option key={runtime} value={runtime}>
            {runtimeName(runtime)}
          </option>
        ))}
      </SelectField>
      <fieldset className="-mx-1 flex max-w-full min-w-0 gap-1 overflow-x-auto px-1 py-0.5 lg:ml-auto">
        <legend className="sr-only">How they stand</legend>
        {LOTS.map((lot) => (
          <button
            key={lot.id}
            type="button"
            aria-pressed={filter.lot === lot.id}
            onClick={() => onChange({ ...filter, lot: filter.lot === lot.id ? "" : lot.id })}
            className={clsx(
              "figures flex h-9 items-center gap-1.5 rounded border px-2.5 text-sm whitespace-nowrap",
              filter.lot === lot.id
                ? "border-ink bg-plate font-[600] text-ink"
                : "border-transparent text-ink-2 hover:bg-sunk",
            )}
          >
            <Light tone={lot.tone} />
            {lot.label}
            <span className="text-ink-3">
              {agents.length > 0 ? counts[lot.id].toLocaleString("en") : ""}
            </span>
          </button>
        ))}
      </fieldset>
    </div>
  );
}

function First() {
  return (
    <Empty
      title="No agents yet"
      action={
        <ButtonLink to="/deploy" icon={Anchor} variant="primary" size="lg">
          Deploy the first one
        </ButtonLink>
      }
    >
      Drop a folder or choose a template: it is live within a minute.
    </Empty>
  );
}
