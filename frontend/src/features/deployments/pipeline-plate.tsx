/** The pipeline as stations, and beneath it the one that is looked at. */

import { currentStation } from "@/api/pipeline";
import { Stations } from "@/components/stations";
import { useSearch } from "@/components/use-search";
import { Reasons, telling } from "./reasons";
import { type Run, useStationLog } from "./run";
import { StationDetail } from "./station-detail";

export function PipelinePlate({
  run,
  agentId,
  aside,
  withReport = true,
}: {
  run: Run;
  agentId: string;
  aside: React.ReactNode;
  /** Scan and tests stand with their stations; not where the page has them anyway. */
  withReport?: boolean;
}) {
  const [search, setSearch] = useSearch();
  const { stations, version, deployment } = run;
  const here = stations[currentStation(stations)];
  const wanted = stations.find(
    ({ name, state }) => name === search.get("station") && state !== "waiting",
  );
  const station = wanted ?? here;
  const choose = (name: string, line?: string) =>
    setSearch(
      (before) => {
        before.set("station", name);
        before.delete("q");
        if (line) before.set("line", line);
        else before.delete("line");
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  const reasons = [...(deployment?.reasons ?? []), ...(deployment ? [] : (version?.reasons ?? []))];
  const failed = stations.find(({ state }) => state === "failed");
  return (
    <div className="space-y-5">
      <section aria-label="Pipeline" className="plate px-3 pt-4 pb-3 sm:px-5">
        <p className="sr-only" role="status">
          {here ? `${here.label}: ${SAYS[here.state]}` : ""}
        </p>
        <Stations stations={stations} selected={station?.name} onSelect={choose} />
      </section>
      {failed && reasons.length > 0 ? (
        <Why
          run={run}
          agentId={agentId}
          failed={failed.name}
          onLine={(id) => choose(failed.name, id)}
        />
      ) : null}
      <div className="grid gap-5 lg:grid-cols-[minmax(0,1fr)_19rem]">
        {station ? (
          <StationDetail station={station} run={run} agentId={agentId} withReport={withReport} />
        ) : (
          <div />
        )}
        <aside className="min-w-0 space-y-5">{aside}</aside>
      </div>
    </div>
  );
}

const SAYS = {
  waiting: "waiting",
  held: "waiting for you",
  moving: "under way",
  done: "done",
  failed: "failed",
  stopped: "stopped",
};

function Why({
  run,
  agentId,
  failed,
  onLine,
}: {
  run: Run;
  agentId: string;
  failed: Run["stations"][number]["name"];
  onLine: (id: string) => void;
}) {
  const { version, deployment } = run;
  const log = useStationLog(failed, agentId, version, deployment);
  const reasons = deployment?.reasons.length ? deployment.reasons : (version?.reasons ?? []);
  const label = run.stations.find(({ name }) => name === failed)?.label ?? "It";
  const lines =
    failed === "scan" || failed === "upload" ? [] : telling(log.lines, log.count, reasons);
  return <Reasons title={`${label} failed: what to change`} {...{ reasons, lines, onLine }} />;
}
