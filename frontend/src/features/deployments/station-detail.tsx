/** What one station has to say: what it read, found or did, and its log. */
import { ArrowUpRight } from "lucide-react";
import { Link } from "react-router";
import type { Station } from "@/api/pipeline";
import type { Deployment, Version } from "@/api/types";
import { LogViewer } from "@/components/log-viewer";
import { Facts, Plate } from "@/components/page";
import { shownValue } from "@/components/shown-value";
import { bytes } from "@/components/time";
import { EventList } from "./event-list";
import { Findings, Tests } from "./report";
import type { Run } from "./run";
import { useStationLog } from "./run";

export function StationDetail({
  station,
  run,
  agentId,
  withReport,
}: {
  station: Station;
  run: Run;
  agentId: string;
  /** With the findings of the scan and the results of the tests. */
  withReport: boolean;
}) {
  const { version, report, deployment, events } = run;
  const log = useStationLog(station.name, agentId, version, deployment);
  if (station.name === "upload") return version ? <Source version={version} /> : null;
  const output = station.name === "verify" || station.name === "live";
  const live = output
    ? station.name === "live" && deployment?.state === "live"
    : version?.state === "building";
  return (
    <div className="flex h-full min-w-0 flex-col gap-4">
      {withReport && station.name === "scan" && report ? (
        <Findings report={report} compact />
      ) : null}
      {withReport && station.name === "test" && report && report.tests.length > 0 ? (
        <Tests report={report} declared={report.tests.length} />
      ) : null}
      {["release", "verify"].includes(station.name) && deployment ? (
        <Plate title="What happened" flush>
          <EventList events={events?.filter((event) => belongs(event.state, station.name))} />
        </Plate>
      ) : null}
      <LogViewer
        key={station.name}
        label={output ? "Output of the agent" : `${station.label} log`}
        log={log}
        live={live === true || (output && station.state === "moving")}
        filename={`${station.name}-${deployment?.id ?? version?.id}`}
        className="min-h-[26rem] flex-1"
        empty={emptyWord(station, output)}
        tools={
          <Link
            to={logLink(agentId, output, version, deployment)}
            className="inline-flex items-center gap-1 px-1.5 text-sm font-[600] hover:underline"
          >
            {output ? "Output" : "Log"}
            <ArrowUpRight size={14} aria-label="in the log viewer" />
          </Link>
        }
      />
    </div>
  );
}

function logLink(
  agentId: string,
  output: boolean,
  version: Version | undefined,
  deployment: Deployment | undefined,
): string {
  return output
    ? `/agents/${agentId}/logs?deployment=${deployment?.id}`
    : `/agents/${agentId}/logs?version=${version?.id}`;
}

function belongs(state: string, station: string): boolean {
  const before = ["queued", "releasing"].includes(state);
  return station === "release" ? before : !before;
}

function emptyWord(station: Station, output: boolean): string {
  if (station.state === "moving") return "Nothing has been written yet.";
  if (output) return "The agent has written nothing.";
  return station.state === "waiting"
    ? "This station has not been reached."
    : "Nothing was written here.";
}

function Source({ version }: { version: Version }) {
  const { source } = version;
  const facts: [string, React.ReactNode][] = [
    ["Source", source.template ? `Template ${source.template}` : source.filename],
  ];
  if (source.size) facts.push(["Size", bytes(source.size)]);
  if (source.digest)
    facts.push([
      "SHA-256",
      <code key="d" className="break-all">
        {source.digest}
      </code>,
    ]);
  return (
    <div className="space-y-4">
      <Plate>
        <Facts items={facts} />
      </Plate>
      {version.inferred.length > 0 ? (
        <Plate title="How it runs" note="and where each part was read" flush>
          <ul className="divide-y divide-line">
            {version.inferred.map((one) => (
              <li
                key={one.field}
                className="grid gap-x-4 gap-y-0.5 px-4 py-2 text-sm sm:grid-cols-[11rem_1fr_auto]"
              >
                <span className="text-ink-2">{one.field.replace(/_/g, " ")}</span>
                <code className="min-w-0 break-words">{shownValue(one.value)}</code>
                <span className="text-ink-3">{one.source}</span>
              </li>
            ))}
          </ul>
        </Plate>
      ) : null}
      {version.warnings.length > 0 ? (
        <Plate title="Worth a look">
          <ul className="list-disc space-y-1 pl-5 text-sm">
            {version.warnings.map((one) => (
              <li key={`${one.code}${one.detail}`}>{one.detail}</li>
            ))}
          </ul>
        </Plate>
      ) : null}
    </div>
  );
}
