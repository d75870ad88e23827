/** What is different from an earlier deployment: manifest and variables. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { deployedVariablesQuery, deploymentsQuery } from "@/api/deployments";
import type { DeployedVariable, Deployment } from "@/api/types";
import { versionQuery } from "@/api/versions";
import { SelectField } from "@/components/field";
import { ManifestDiff } from "@/components/manifest-diff";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Tag } from "@/components/status";
import { useSearch } from "@/components/use-search";

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function Changes({ deployment }: { deployment: Deployment }) {
  const [search, setSearch] = useSearch();
  const list = useInfiniteQuery(deploymentsQuery(deployment.agent_id));
  const earlier = (list.data?.pages ?? [])
    .flatMap((page) => page.items)
    .filter((one) => one.id < deployment.id && one.environment === deployment.environment);
  const wanted = search.get("compare");
  const other =
    earlier.find((one) => one.id === wanted) ??
    earlier.find((one) => one.timings.live !== undefined) ??
    earlier[0];
  return (
    <Plate
      title="What changed"
      flush
      actions={
        other ? (
          <SelectField
            label="Compare with"
            hideLabel
            value={other.id}
            className="h-8!"
            onChange={(event) => {
              const id = event.target.value;
              setSearch(
                (before) => {
                  before.set("compare", id);
                  return before;
                },
                { replace: true, preventScrollReset: true },
              );
            }}
          >
            {earlier.map((one) => (
              <option key={one.id} value={one.id}>
                since version {one.version_number}, {WHEN.format(new Date(one.created_at))}
              </option>
            ))}
          </SelectField>
        ) : null
      }
    >
      <QueryView query={list} loading={<SkeletonRows rows={3} />}>
        {() =>
          other ? (
            <Compared deployment={deployment} other={other} />
          ) : (
            <p className="px-4 py-5 text-sm text-ink-2">
              This is the first deployment to {deployment.environment}; there is nothing to compare
              it with.
            </p>
          )
        }
      </QueryView>
    </Plate>
  );
}

function Compared({ deployment, other }: { deployment: Deployment; other: Deployment }) {
  const now = useQuery(versionQuery(deployment.agent_id, deployment.version_id));
  const before = useQuery(versionQuery(other.agent_id, other.version_id));
  const variables = useQuery(deployedVariablesQuery(deployment.id, other.id));
  return (
    <div className="divide-y divide-line">
      <section aria-label="Manifest">
        <h3 className="stencil px-4 pt-3 pb-1.5 text-ink-3">Manifest</h3>
        <QueryView query={now} loading={<SkeletonRows rows={2} height="h-9" />}>
          {(version) => (
            <QueryView query={before} loading={<SkeletonRows rows={2} height="h-9" />}>
              {(old) => <ManifestDiff before={old} after={version} />}
            </QueryView>
          )}
        </QueryView>
      </section>
      <section aria-label="Variables">
        <h3 className="stencil px-4 pt-3 pb-1.5 text-ink-3">Variables</h3>
        <QueryView query={variables} loading={<SkeletonRows rows={2} height="h-9" />}>
          {({ items }) => <VariableChanges items={items} />}
        </QueryView>
      </section>
    </div>
  );
}

const CHANGED: Record<string, string> = {
  added: "Added",
  removed: "Removed",
  changed: "Changed",
};

function VariableChanges({ items }: { items: DeployedVariable[] }) {
  const changed = items.filter(({ change }) => change !== "same");
  if (changed.length === 0) {
    return (
      <p className="px-4 pb-4 text-sm text-ink-2">
        {items.length === 0 ? "There are none." : `All ${items.length} are the same.`}
      </p>
    );
  }
  return (
    <ul className="pb-2">
      {changed.map((one) => (
        <li
          key={one.name}
          className="flex flex-wrap items-baseline gap-x-3 gap-y-1 px-4 py-1.5 text-sm"
        >
          <Tag>{CHANGED[one.change ?? ""] ?? ""}</Tag>
          <code className="font-[600] break-all">{one.name}</code>
          {one.secret ? (
            <span className="text-ink-3">secret</span>
          ) : (
            <span className="min-w-0 break-all">
              {one.before === null ? null : (
                <del className="rounded-sm bg-port-wash px-1 font-mono text-[0.92em]">
                  {one.before || "empty"}
                </del>
              )}
              {one.before !== null && one.value !== null ? " " : null}
              {one.value === null ? null : (
                <ins className="rounded-sm bg-starboard-wash px-1 font-mono text-[0.92em] no-underline">
                  {one.value || "empty"}
                </ins>
              )}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
