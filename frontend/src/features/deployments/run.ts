/** Reads what one run of the pipeline consists of, as it moves: version, report, deployment. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { deploymentMoves, deploymentQuery, eventsQuery } from "@/api/deployments";
import { type LogSnapshot, type LogSource, useLog } from "@/api/logs";
import { pipeline, type Station } from "@/api/pipeline";
import { usePolled } from "@/api/polling";
import type { Deployment, DeploymentEvent, Version } from "@/api/types";
import { type Report, useReport, versionMoves, versionQuery } from "@/api/versions";

export type StationName = Station["name"];

export interface Run {
  version: Version | undefined;
  report: Report | undefined;
  deployment: Deployment | undefined;
  /** Undefined while they are read. */
  events: DeploymentEvent[] | undefined;
  stations: Station[];
}

export function useVersionPolled(agentId: string, versionId: string) {
  return usePolled(versionQuery(agentId, versionId), {
    // A ready version that is to be deployed is about to name its deployment.
    moving: (version) => versionMoves(version) || (version.state === "ready" && waits(version)),
    settles: true,
  });
}

export function useDeploymentPolled(deploymentId: string) {
  return usePolled(deploymentQuery(deploymentId), { moving: deploymentMoves });
}

/** Everything about a run whose version or deployment has been read. */
export function useRun(version: Version | undefined, deployment: Deployment | undefined): Run {
  const report = useReport(version);
  const events = useQuery({
    ...eventsQuery(deployment?.id ?? "", deployment?.revision ?? 0),
    enabled: deployment !== undefined,
    placeholderData: keepPreviousData,
  }).data;
  const stations = useMemo(
    () => pipeline(version, report?.steps ?? [], deployment),
    [version, report, deployment],
  );
  return { version, report, deployment, events: events?.items, stations };
}

/** Which steps of the build belong to a station; none: it is the agent's own output. */
export const STEPS: Record<StationName, readonly string[]> = {
  upload: [],
  scan: ["fetch", "scan"],
  build: ["build"],
  test: ["start", "test"],
  release: ["publish"],
  verify: [],
  live: [],
};

/** The log a station writes to. */
export function logOf(
  station: StationName,
  agentId: string,
  version: Version | undefined,
  deployment: Deployment | undefined,
): LogSource | undefined {
  if (["verify", "live"].includes(station)) {
    return deployment && { of: "output", deploymentId: deployment.id };
  }
  if (station === "upload" || !version?.timings.building) return undefined;
  return { of: "build", agentId, versionId: version.id };
}

type Log = LogSnapshot & { retry: () => void };

/** A station's own part of the log, growing with it. */
export function useStationLog(
  station: StationName,
  agentId: string,
  version: Version | undefined,
  deployment: Deployment | undefined,
): Log {
  const source = logOf(station, agentId, version, deployment);
  const live =
    source?.of === "build"
      ? version?.state === "building"
      : deployment !== undefined && !OVER.has(deployment.state);
  const log = useLog(source, live);
  const steps = STEPS[station];
  // biome-ignore lint/correctness/useExhaustiveDependencies: another log is another array
  const mine = useMemo(
    () => ({ lines: [] as (typeof log.lines)[number][], seen: 0 }),
    [station, log.lines],
  );
  if (source?.of !== "build") return log;
  for (; mine.seen < log.count; mine.seen += 1) {
    const line = log.lines[mine.seen];
    if (line && steps.includes(line.step ?? "")) mine.lines.push(line);
  }
  return { ...log, lines: mine.lines, count: mine.lines.length };
}

const OVER = new Set<Deployment["state"]>([
  "superseded",
  "stopped",
  "failed",
  "cancelled",
  "rolled_back",
]);

function waits(version: Version): boolean {
  return version.deploy && version.deployment_id === null;
}
