/** Where our word and the host's differed, and what the reconciler did about it. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { repairsQuery } from "@/api/operations";
import type { Repair } from "@/api/types";
import { Empty } from "@/components/empty";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { SkeletonRows } from "@/components/skeleton";
import { Ago } from "@/components/time";

export function Repairs() {
  const query = useInfiniteQuery(repairsQuery);
  return (
    <Plate flush title="Repairs" note="thirty days, newest first">
      <PagedList
        ordered
        query={query}
        loading={<SkeletonRows rows={1} height="h-16" />}
        more="Earlier repairs"
        empty={
          <Empty quiet title="Nothing to repair">
            What we say and what the host says is the same.
          </Empty>
        }
      >
        {(repair) => <Row key={repair.id} repair={repair} />}
      </PagedList>
    </Plate>
  );
}

function Row({ repair }: { repair: Repair }) {
  const said: [string, string][] = [
    ["We said", repair.said],
    ["The host", repair.host],
    ["Done", repair.done],
  ];
  return (
    <li className="space-y-1.5 px-4 py-3 text-sm">
      <dl className="grid gap-x-4 gap-y-1 sm:grid-cols-3">
        {said.map(([name, value]) => (
          <div key={name} className="flex min-w-0 gap-2 sm:block">
            <dt className="w-20 shrink-0 text-xs leading-5 text-ink-3 sm:w-auto">{name}</dt>
            <dd className="min-w-0 break-words">{value || "–"}</dd>
          </div>
        ))}
      </dl>
      <p className="flex flex-wrap gap-x-2 text-xs text-ink-3">
        <Ago at={repair.at} />
        <code className="break-all">{repair.deployment_id}</code>
        <code className="break-all">{repair.org_id}</code>
      </p>
    </li>
  );
}
