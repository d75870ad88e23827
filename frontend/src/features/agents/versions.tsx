/** Every version, and any two of them set against each other. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { versionStanding } from "@/api/states";
import type { Version } from "@/api/types";
import { versionMoves, versionQuery, versionsQuery } from "@/api/versions";
import { ButtonLink } from "@/components/button";
import { CommitLine } from "@/components/commit";
import { Empty } from "@/components/empty";
import { SelectField } from "@/components/field";
import { ManifestDiff } from "@/components/manifest-diff";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Status, Tag } from "@/components/status";
import { Ago, bytes, Duration } from "@/components/time";
import { useSearch } from "@/components/use-search";
import { useAgent } from "./agent";

export function Versions() {
  const agent = useAgent();
  const query = useInfiniteQuery({
    ...versionsQuery(agent.id),
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some(versionMoves)) ? 1000 : 15_000,
  });
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="space-y-5">
      <Plate title="Versions" note="each one is built once and never changes" flush>
        <PagedList
          ordered
          query={query}
          loading={<SkeletonRows rows={8} height="h-15" />}
          more="Earlier versions"
          empty={
            <Empty
              title="No versions yet"
              action={
                <ButtonLink to={`/agents/${agent.id}/deploy`} variant="primary">
                  Upload the first one
                </ButtonLink>
              }
            >
              A version is a state of your source, scanned, built and tested.
            </Empty>
          }
        >
          {(version) => <VersionRow key={version.id} version={version} />}
        </PagedList>
      </Plate>
      {items.length > 1 ? <Compare agentId={agent.id} versions={items} /> : null}
    </div>
  );
}

function VersionRow({ version }: { version: Version }) {
  const { timings, source } = version;
  const end = timings.ready ?? timings.failed ?? timings.rejected ?? timings.cancelled;
  const [reason] = version.reasons;
  return (
    <li className="relative flex flex-wrap items-center gap-x-4 gap-y-0.5 px-4 py-2.5 hover:bg-sunk/40 sm:flex-nowrap">
      <Status {...versionStanding(version.state)} className="shrink-0 sm:w-28" />
      <div className="order-1 min-w-0 flex-1 basis-full sm:order-none sm:basis-0">
        <p className="flex flex-wrap items-baseline gap-x-2 text-sm">
          <Link
            to={`/agents/${version.agent_id}/versions/${version.id}`}
            className="font-[600] underline-offset-2 after:absolute after:inset-0 hover:underline"
          >
            Version {version.number}
          </Link>
          {version.label === `v${version.number}` ? null : <Tag>{version.label}</Tag>}
          <span className="min-w-0 truncate text-ink-3">
            {source.template
              ? `template ${source.template}`
              : (source.commit?.repository ?? source.filename)}
            {source.size ? `, ${bytes(source.size)}` : ""}
          </span>
        </p>
        {source.commit ? (
          <p className="mt-0.5 text-xs leading-5 text-ink-2">
            <CommitLine commit={source.commit} />
          </p>
        ) : null}
        {reason ? (
          <p className="mt-0.5 line-clamp-1 text-sm text-ink-2">{reason.detail}</p>
        ) : version.warnings.length > 0 ? (
          <p className="mt-0.5 line-clamp-1 text-sm text-ink-2">
            {version.warnings.length} {version.warnings.length === 1 ? "thing is" : "things are"}{" "}
            worth a look
          </p>
        ) : null}
      </div>
      <div className="figures ml-auto flex shrink-0 gap-x-2 text-right text-xs leading-5 text-ink-3 sm:block">
        <Ago at={version.created_at} />
        <p>
          {timings.building ? (
            <>
              built in <Duration from={timings.building} to={end} />
            </>
          ) : (
            "\u00a0"
          )}
        </p>
      </div>
    </li>
  );
}

function Compare({ agentId, versions }: { agentId: string; versions: Version[] }) {
  const [search, setSearch] = useSearch();
  const after = search.get("after") ?? versions[0]?.id ?? "";
  const before = search.get("before") ?? versions[1]?.id ?? "";
  const choose = (name: string, value: string) =>
    setSearch(
      (now) => {
        now.set("before", before);
        now.set("after", after);
        now.set(name, value);
        return now;
      },
      { replace: true, preventScrollReset: true },
    );
  const old = useQuery(versionQuery(agentId, before));
  const now = useQuery(versionQuery(agentId, after));
  const side = (name: string, label: string, value: string) => (
    <SelectField
      label={label}
      hideLabel
      className="h-8!"
      value={value}
      onChange={(event) => choose(name, event.target.value)}
    >
      {versions.some(({ id }) => id === value) ? null : <option value={value}>earlier</option>}
      {versions.map((version) => (
        <option key={version.id} value={version.id}>
          version {version.number}
        </option>
      ))}
    </SelectField>
  );
  return (
    <Plate
      title="Manifests compared"
      flush
      actions={
        <span className="flex items-center gap-2 text-sm text-ink-3">
          {side("before", "The earlier one", before)}
          to
          {side("after", "The later one", after)}
        </span>
      }
    >
      <div className="pt-3">
        <QueryView query={old} loading={<SkeletonRows rows={3} height="h-9" />}>
          {(one) => (
            <QueryView query={now} loading={<SkeletonRows rows={3} height="h-9" />}>
              {(other) => <ManifestDiff before={one} after={other} />}
            </QueryView>
          )}
        </QueryView>
      </div>
    </Plate>
  );
}
