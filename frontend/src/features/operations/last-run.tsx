/** The reconciler's last run: when, what it looked at, what it mended. */
import type { Operations } from "@/api/types";
import { Empty } from "@/components/empty";
import { Facts, Plate } from "@/components/page";
import { Status, type Tone } from "@/components/status";
import { Ago, Duration, useNow } from "@/components/time";

/** It runs every minute while there is something to look at; five minutes without are too long. */
const LATE = 5 * 60_000;

export function LastRun({
  run,
  moving,
  serving,
}: {
  run: Operations["reconciler"];
  moving: number;
  serving: number;
}) {
  const now = useNow();
  if (run === null) {
    return (
      <Plate title="Reconciler">
        <Empty title="It has not run yet">
          It runs every minute while something moves or serves: {moving} and {serving} now.
        </Empty>
      </Plate>
    );
  }
  const still = now - Date.parse(run.ended_at) > LATE;
  const [tone, label]: [Tone, string] = still
    ? moving + serving > 0
      ? ["failed", "Late"]
      : ["resting", "At rest"]
    : run.problem || run.failed > 0
      ? ["warning", "Had problems"]
      : ["live", "Well"];
  const counts: [string, number][] = [
    ["moving now", moving],
    ["serving now", serving],
    ["compared", run.compared],
    ["versions", run.versions],
    ["leftovers", run.leftovers],
    ["repaired", run.repaired],
    ["failed", run.failed],
  ];
  return (
    <Plate title="Reconciler" note="last run" actions={<Status tone={tone} label={label} />}>
      <Facts
        items={[
          ["Ended", <Ago key="e" at={run.ended_at} />],
          ["Took", <Duration key="t" from={run.started_at} to={run.ended_at} />],
          ["All compared", run.compared_at ? <Ago key="c" at={run.compared_at} /> : "not yet"],
          ["Orphans searched", run.searched_at ? <Ago key="s" at={run.searched_at} /> : "not yet"],
        ]}
      />
      <dl className="mt-4 grid grid-cols-2 gap-x-4 gap-y-2 border-t border-line pt-3 sm:grid-cols-4">
        {counts.map(([name, value]) => (
          <div key={name} className="flex flex-col-reverse">
            <dt className="text-xs text-ink-3">{name}</dt>
            <dd className="figures text-lg font-[600]">{value}</dd>
          </div>
        ))}
      </dl>
      {run.problem ? (
        <p className="mt-3 rounded border border-lantern/40 bg-lantern-wash px-3 py-2 text-sm break-words">
          {run.problem}
        </p>
      ) : null}
    </Plate>
  );
}
