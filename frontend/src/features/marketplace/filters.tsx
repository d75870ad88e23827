/** The ways to narrow the marketplace: words, category, runtime, order, and how it is laid out. */
import { clsx } from "clsx";
import { LayoutGrid, List, Search } from "lucide-react";
import { useMemo, useRef } from "react";
import { CATEGORY_IDS, categoryName } from "@/api/categories";
import type { Sort, Wanted } from "@/api/marketplace";
import { useOffer } from "@/components/commands";
import { SelectField, TextField } from "@/components/field";
import { runtimeName } from "@/components/runtime";
import { SORTS, useTyped } from "./wanted";

export const RUNTIMES = ["python", "nodejs", "rust", "static", "dockerfile"];
export type Layout = "grid" | "list";
type Facets = { category: Record<string, number>; runtime: Record<string, number> } | undefined;

interface Props {
  wanted: Wanted;
  facets: Facets;
  onChange: (next: Partial<Wanted>) => void;
}

export function Tools({
  wanted,
  facets,
  onChange,
  layout,
  onLayout,
}: Props & { layout: Layout; onLayout: (layout: Layout) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useTyped(wanted.q, (q) => onChange({ q }));
  useOffer(
    useMemo(
      () => [
        {
          id: "search-marketplace",
          title: "Search the marketplace",
          group: "This page",
          keys: "/",
          run: () => input.current?.focus(),
        },
        {
          id: "marketplace-layout",
          title: layout === "grid" ? "Show as a list" : "Show as a grid",
          group: "This page",
          also: "view layout",
          run: () => onLayout(layout === "grid" ? "list" : "grid"),
        },
      ],
      [layout, onLayout],
    ),
  );
  return (
    <search className="mb-5 flex flex-wrap items-center gap-3">
      <div className="relative min-w-0 flex-1 basis-72">
        <Search
          size={16}
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 left-3 z-10 -translate-y-1/2 text-ink-3"
        />
        <TextField
          ref={input}
          label="Search the marketplace"
          hideLabel
          type="search"
          placeholder="What should the agent do?"
          className="pl-9"
          maxLength={200}
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <div className="grid w-full grid-cols-2 gap-3 sm:w-auto lg:hidden">
        <SelectField
          label="Category"
          hideLabel
          value={wanted.category}
          onChange={(event) => onChange({ category: event.target.value })}
        >
          <option value="">Every category</option>
          {CATEGORY_IDS.map((id) => (
            <option key={id} value={id}>
              {withCount(categoryName(id), facets?.category[id])}
            </option>
          ))}
        </SelectField>
        <SelectField
          label="Runtime"
          hideLabel
          value={wanted.runtime}
          onChange={(event) => onChange({ runtime: event.target.value })}
        >
          <option value="">Every runtime</option>
          {RUNTIMES.map((id) => (
            <option key={id} value={id}>
              {withCount(runtimeName(id), facets?.runtime[id])}
            </option>
          ))}
        </SelectField>
      </div>
      <div className="flex w-full items-center gap-3 sm:w-auto">
        <div className="flex-1 sm:w-40">
          <SelectField
            label="Order"
            hideLabel
            value={wanted.sort}
            onChange={(event) => onChange({ sort: event.target.value as Sort })}
          >
            {Object.entries(SORTS).map(([id, label]) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </SelectField>
        </div>
        <fieldset className="flex rounded border border-control/70">
          <legend className="sr-only">Show as</legend>
          <LayoutButton icon={LayoutGrid} label="Grid" on={layout === "grid"} {...{ onLayout }} />
          <LayoutButton icon={List} label="List" on={layout === "list"} {...{ onLayout }} />
        </fieldset>
      </div>
    </search>
  );
}

function withCount(name: string, count: number | undefined): string {
  return count === undefined ? name : `${name} (${count.toLocaleString("en")})`;
}

function LayoutButton({
  icon: Icon,
  label,
  on,
  onLayout,
}: {
  icon: typeof List;
  label: "Grid" | "List";
  on: boolean;
  onLayout: (layout: Layout) => void;
}) {
  return (
    <button
      type="button"
      aria-label={label}
      aria-pressed={on}
      title={label}
      onClick={() => onLayout(label === "Grid" ? "grid" : "list")}
      className={clsx(
        "flex h-[34px] w-10 items-center justify-center first-of-type:rounded-l last-of-type:rounded-r",
        on ? "bg-ink text-plate" : "bg-plate text-ink-2 hover:text-ink",
      )}
    >
      <Icon size={16} aria-hidden="true" />
    </button>
  );
}

/** The same choices beside the results, where there is room for them. */
export function FacetRail({ wanted, facets, onChange }: Props) {
  return (
    <aside aria-label="Filters" className="hidden w-52 shrink-0 space-y-6 lg:block">
      <FacetGroup
        label="Category"
        ids={CATEGORY_IDS}
        name={categoryName}
        counts={facets?.category}
        chosen={wanted.category}
        onChoose={(category) => onChange({ category })}
      />
      <FacetGroup
        label="Runtime"
        ids={RUNTIMES}
        name={runtimeName}
        counts={facets?.runtime}
        chosen={wanted.runtime}
        onChoose={(runtime) => onChange({ runtime })}
      />
    </aside>
  );
}

function FacetGroup({
  label,
  ids,
  name,
  counts,
  chosen,
  onChoose,
}: {
  label: string;
  ids: string[];
  name: (id: string) => string;
  counts: Record<string, number> | undefined;
  chosen: string;
  onChoose: (id: string) => void;
}) {
  return (
    <fieldset>
      <legend className="stencil mb-1.5 text-ink-3">{label}</legend>
      <ul className="-mx-2">
        {ids.map((id) => {
          const on = chosen === id;
          const count = counts?.[id];
          return (
            <li key={id}>
              <button
                type="button"
                aria-pressed={on}
                onClick={() => onChoose(on ? "" : id)}
                className={clsx(
                  "flex w-full items-center justify-between gap-2 rounded px-2 py-1 text-left text-sm hover:bg-sunk",
                  on ? "bg-sunk font-[620] text-ink" : count === 0 ? "text-ink-3" : "text-ink-2",
                )}
              >
                <span className="min-w-0 truncate">{name(id)}</span>
                <span className="figures text-xs text-ink-3">
                  {count === undefined ? "" : count.toLocaleString("en")}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </fieldset>
  );
}
