/** What the page of an agent shows, whoever may see it: documentation, inputs, versions, pictures. */
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";
import { Link, useSearchParams } from "react-router";
import type { Offer, Screenshot } from "@/api/types";
import { Dialog } from "@/components/dialog";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { Loading, Skeleton } from "@/components/skeleton";
import { Tag } from "@/components/status";
import { Ago, bytes } from "@/components/time";
import { LookUp, type LookUpPages } from "./look-up";

const Markdown = lazy(() => import("@/components/markdown").then((m) => ({ default: m.Markdown })));

/** Where the agent is read: in the marketplace, by a share, or by a secret link. */
export interface Place {
  key: readonly unknown[];
  readPage: (path: string, signal: AbortSignal, version: string) => Promise<{ markdown: string }>;
  lookUp?: LookUpPages;
  /** Whether older versions' documentation can be read, too. */
  older?: boolean;
}

/** The README, or another page of the documentation: `?page=docs/usage.md`. */
export function Reading({ offer, place }: { offer: Offer; place: Place }) {
  const [search] = useSearchParams();
  const path = search.get("page");
  const asked = place.older ? search.get("version") : null;
  const other = offer.versions.find(
    ({ version_id }) => version_id === asked && version_id !== offer.version.version_id,
  );
  const version = other?.version_id ?? "";
  const pages = useQuery({
    queryKey: [...place.key, "pages", version],
    queryFn: ({ signal }) => place.lookUp?.("", signal, version) ?? { items: [] },
    enabled: other !== undefined,
    staleTime: 5 * 60_000,
  });
  const doc = useQuery({
    queryKey: [...place.key, "docs", version, path],
    queryFn: ({ signal }) => place.readPage(path ?? "readme", signal, version),
    enabled: path !== null || other !== undefined,
    staleTime: 5 * 60_000,
  });
  const docs = other
    ? (pages.data?.items ?? []).filter((one) => one.path !== "readme")
    : offer.docs;
  const known = useMemo(() => new Set(docs.map((one) => one.path)), [docs]);
  const at = (to?: string) => pageAt(to, version);
  const resolve = (address: string) => {
    const from = `https://here/${path ?? "README.md"}`;
    const found = URL.canParse(address, from) ? new URL(address, from) : undefined;
    if (found?.host !== "here") return null;
    const target = decoded(found.pathname.slice(1));
    if (known.has(target)) return at(target);
    return target.toLowerCase() === "readme.md" ? at() : null;
  };
  const shown = (text: string) => (
    <Suspense fallback={<Lines />}>
      <Markdown text={text} resolve={resolve} />
    </Suspense>
  );
  return (
    <Plate
      title="Documentation"
      note={`of ${other?.label ?? offer.version.label}`}
      actions={
        other ? (
          <Link
            to={pageAt(path ?? undefined)}
            preventScrollReset
            className="text-sm text-sea underline"
          >
            Back to {offer.version.label}
          </Link>
        ) : null
      }
    >
      {place.lookUp ? (
        <LookUp placeKey={place.key} lookUp={place.lookUp} version={version} at={at} />
      ) : null}
      {docs.length > 0 ? (
        <nav aria-label="Pages of the documentation" className="mb-5">
          <ul className="flex flex-wrap gap-1.5">
            <DocLink to={at()} title="README" on={path === null} />
            {docs.map((one) => (
              <DocLink key={one.path} to={at(one.path)} title={one.title} on={path === one.path} />
            ))}
          </ul>
        </nav>
      ) : null}
      {path === null && !other ? (
        shown(offer.readme)
      ) : (
        <QueryView query={doc} loading={<Lines />}>
          {(page) => shown(page.markdown)}
        </QueryView>
      )}
    </Plate>
  );
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

export function pageAt(path?: string, version = ""): string {
  const query = new URLSearchParams({
    ...(path ? { page: path } : {}),
    ...(version ? { version } : {}),
  });
  return `?${query}`;
}

function DocLink({ to, title, on }: { to: string; title: string; on: boolean }) {
  return (
    <li className="min-w-0">
      <Link
        to={to}
        preventScrollReset
        aria-current={on ? "page" : undefined}
        className={
          on
            ? "block truncate rounded border border-ink px-2.5 py-1 text-sm font-[600]"
            : "block truncate rounded border border-line px-2.5 py-1 text-sm text-ink-2 hover:border-line-2 hover:text-ink"
        }
      >
        {title}
      </Link>
    </li>
  );
}

export function Inputs({ offer }: { offer: Offer }) {
  return (
    <Plate title="What it asks for" note={offer.inputs.length ? "variables of your copy" : ""}>
      {offer.inputs.length === 0 ? (
        <p className="text-sm text-ink-2">Nothing: a copy runs without a key or a setting.</p>
      ) : (
        <dl className="space-y-3 text-sm">
          {offer.inputs.map((one) => (
            <div key={one.name}>
              <dt className="flex flex-wrap items-center gap-2">
                <code className="font-[560] break-all">{one.name}</code>
                <Tag>{one.required ? "needed" : "optional"}</Tag>
                {one.secret ? <Tag>secret</Tag> : null}
              </dt>
              <dd className="mt-0.5 break-words text-ink-2">
                {one.description || "The author does not say what it is for."}
                {one.default === null || one.default === "" ? null : (
                  <>
                    {" "}
                    Without it: <code className="break-all">{one.default}</code>
                  </>
                )}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Plate>
  );
}

export function Versions({ offer, older = false }: { offer: Offer; older?: boolean }) {
  return (
    <Plate title="Versions" flush>
      <ul className="divide-y divide-line text-sm">
        {offer.versions.map((one, index) => (
          <li
            key={one.version_id}
            className="flex flex-wrap items-baseline justify-between gap-x-4 px-4 py-2.5"
          >
            <span className="flex items-baseline gap-2">
              <span className="figures font-[560] break-all">{one.label}</span>
              {index === 0 ? <Tag>newest</Tag> : null}
              {older && one.version_id !== offer.version.version_id ? (
                <Link to={pageAt(undefined, one.version_id)} className="text-sea underline">
                  its documentation<span className="sr-only"> ({one.label})</span>
                </Link>
              ) : null}
            </span>
            <span className="text-ink-3">
              {one.image_size === null ? "" : `${bytes(one.image_size)}, `}
              <Ago at={one.published_at} />
            </span>
          </li>
        ))}
      </ul>
    </Plate>
  );
}

/** The author's pictures in a row; a larger one comes to the front. */
export function Screenshots({ shots, name }: { shots: Screenshot[]; name: string }) {
  const [front, setFront] = useState<Screenshot>();
  if (shots.length === 0) return null;
  const said = (shot: Screenshot, index: number) =>
    shot.alt || `Screenshot ${index + 1} of ${name}`;
  return (
    <section aria-label="Screenshots">
      <ul className="flex snap-x gap-3 overflow-x-auto pb-2">
        {shots.map((shot, index) => (
          <li key={shot.path} className="shrink-0 snap-start">
            <button
              type="button"
              className="plate block overflow-hidden"
              onClick={() => setFront(shot)}
            >
              <img
                src={`/${shot.path}`}
                width={shot.width}
                height={shot.height}
                alt={said(shot, index)}
                loading={index === 0 ? "eager" : "lazy"}
                className="h-auto max-h-52 w-auto max-w-[80vw]"
              />
            </button>
          </li>
        ))}
      </ul>
      <Dialog
        open={front !== undefined}
        onOpenChange={() => setFront(undefined)}
        title={front ? said(front, shots.indexOf(front)) : ""}
        size="lg"
      >
        {front ? (
          <img
            src={`/${front.path}`}
            width={front.width}
            height={front.height}
            alt=""
            className="mx-auto h-auto max-h-[60vh] w-auto max-w-full"
          />
        ) : null}
      </Dialog>
    </section>
  );
}

function Lines() {
  return (
    <Loading>
      <div className="space-y-3 py-1">
        <Skeleton className="h-5 w-48" />
        <Skeleton className="h-3.5 w-full" />
        <Skeleton className="h-3.5 w-full" />
        <Skeleton className="h-3.5 w-2/3" />
      </div>
    </Loading>
  );
}
