/** The marketplace: agents that anybody may read about, found by words, category and runtime. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { clsx } from "clsx";
import { Anchor, X } from "lucide-react";
import { useCallback, useMemo } from "react";
import { searchQuery, type Wanted } from "@/api/marketplace";
import type { Card } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { Empty } from "@/components/empty";
import { Page } from "@/components/page";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { Loading, Skeleton, SkeletonRows } from "@/components/skeleton";
import { useSearch } from "@/components/use-search";
import { GridCard, ListRow } from "./card";
import { FacetRail, type Layout, Tools } from "./filters";
import { SharedResults, useShared } from "./shared-results";
import { isNarrowed, useWanted } from "./wanted";

const NOTHING = { q: "", category: "", runtime: "", tag: "" };
const GRID = "grid gap-4 sm:grid-cols-2 xl:grid-cols-3";

export function MarketplacePage() {
  const [wanted, change] = useWanted();
  const [layout, setLayout] = useLayout();
  const query = useInfiniteQuery(searchQuery(wanted));
  const shared = useShared(wanted);
  const again = () => {
    void query.refetch();
    if (shared.error) void shared.refetch();
  };
  const first = query.data?.pages[0];
  const cards = useMemo(() => distinct(query.data?.pages ?? []), [query.data]);
  const told = first ? totalOf(first.total, first.total_is_exact, isNarrowed(wanted)) : "";
  return (
    <Page
      title="Marketplace"
      width="wide"
      lead="Agents that people have published. Read how one works, then run a copy of your own."
    >
      <Tools
        wanted={wanted}
        facets={first?.facets}
        onChange={change}
        layout={layout}
        onLayout={setLayout}
      />
      <div className="flex gap-8">
        <FacetRail wanted={wanted} facets={first?.facets} onChange={change} />
        <div className="min-w-0 flex-1">
          <SharedResults query={shared} quiet={query.isError && !query.data} />
          <div className="mb-3 flex min-h-7 flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-2">
            <p role="status" className="figures">
              {told}
              {first?.corrected ? (
                <>
                  {" "}
                  for <strong className="font-[620] text-ink">{first.corrected}</strong>, which is
                  what “{wanted.q}” probably means
                </>
              ) : null}
            </p>
            <Chosen wanted={wanted} onChange={change} />
            <a href="/api/v1/marketplace/feed.xml" className="ml-auto text-sea underline">
              RSS feed
            </a>
          </div>
          <QueryView
            query={{ ...query, refetch: again }}
            loading={<Outline layout={layout} />}
            isEmpty={() => cards.length === 0}
            empty={<None wanted={wanted} onShowAll={() => change(NOTHING)} />}
          >
            {() => (
              <>
                <Results cards={cards} layout={layout} stale={query.isPlaceholderData} />
                {query.isFetchNextPageError ? (
                  <Problem
                    compact
                    error={query.error}
                    retry={() => query.fetchNextPage()}
                    className="mt-4"
                  />
                ) : null}
                {query.hasNextPage ? (
                  <div className="mt-6 flex justify-center">
                    <Button busy={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
                      Show more
                    </Button>
                  </div>
                ) : null}
              </>
            )}
          </QueryView>
        </div>
      </div>
    </Page>
  );
}

function useLayout(): [Layout, (layout: Layout) => void] {
  const [search, setSearch] = useSearch();
  const layout = search.get("view") === "list" ? "list" : "grid";
  const choose = useCallback(
    (next: Layout) =>
      setSearch(
        (before) => {
          const after = new URLSearchParams(before);
          if (next === "list") after.set("view", "list");
          else after.delete("view");
          return after;
        },
        { replace: true, preventScrollReset: true },
      ),
    [setSearch],
  );
  return [layout, choose];
}

/** What was counted between two pages may stand on both. */
function distinct(pages: { items: Card[] }[]): Card[] {
  const found = new Map<string, Card>();
  for (const card of pages.flatMap(({ items }) => items)) found.set(card.slug, card);
  return [...found.values()];
}

function totalOf(total: number, exact: boolean, narrowed: boolean): string {
  if (total === 0) return narrowed ? "No agent found" : "";
  const number = total.toLocaleString("en");
  return `${exact ? number : `More than ${number}`} ${total === 1 ? "agent" : "agents"}`;
}

function Chosen({
  wanted,
  onChange,
}: {
  wanted: Wanted;
  onChange: (next: Partial<Wanted>) => void;
}) {
  return wanted.tag ? (
    <Button size="sm" icon={X} onClick={() => onChange({ tag: "" })}>
      <span className="sr-only">No longer only </span>tagged {wanted.tag}
    </Button>
  ) : null;
}

function Results({ cards, layout, stale }: { cards: Card[]; layout: Layout; stale: boolean }) {
  const list = layout === "list";
  return (
    <ul
      aria-label="Agents"
      aria-busy={stale}
      className={clsx(list ? "plate divide-y divide-line" : GRID, stale && "opacity-70")}
    >
      {cards.map((card) => (
        <li key={card.slug} className="min-w-0">
          {list ? <ListRow card={card} /> : <GridCard card={card} />}
        </li>
      ))}
    </ul>
  );
}

function None({ wanted, onShowAll }: { wanted: Wanted; onShowAll: () => void }) {
  if (!isNarrowed(wanted)) {
    return (
      <div className="plate">
        <Empty
          title="Nobody has published an agent yet"
          action={
            <ButtonLink to="/deploy" icon={Anchor} variant="primary">
              Deploy an agent
            </ButtonLink>
          }
        >
          Deploy one and publish it from its Marketplace tab: you would be the first.
        </Empty>
      </div>
    );
  }
  const filtered = wanted.category || wanted.runtime || wanted.tag;
  return (
    <div className="plate">
      <Empty title="No agent matches" action={<Button onClick={onShowAll}>Show all</Button>}>
        {wanted.q && filtered
          ? "Search without the filters, or with fewer words."
          : wanted.q
            ? "Try fewer or other words: what the agent does, or what it works with."
            : "Nobody has published one of this kind yet."}
      </Empty>
    </div>
  );
}

const OUTLINES = ["a", "b", "c", "d", "e", "f"];

function Outline({ layout }: { layout: Layout }) {
  if (layout === "list") {
    return (
      <div className="plate">
        <SkeletonRows rows={8} height="h-20" />
      </div>
    );
  }
  return (
    <Loading what="Looking for agents">
      <div className={GRID}>
        {OUTLINES.map((key) => (
          <div key={key} className="plate h-50 space-y-4 p-4">
            <div className="flex gap-3">
              <Skeleton className="size-10" />
              <Skeleton className="mt-1 h-4 w-36" />
            </div>
            <Skeleton className="h-3.5 w-full" />
            <Skeleton className="h-3.5 w-3/4" />
          </div>
        ))}
      </div>
    </Loading>
  );
}
