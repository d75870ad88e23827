/**
 * Knows the way of an agent as stations: upload, scan, build, test, release, verify, live. Worked
 * out from what the API says of the version, its build report and its deployment.
 */
import type { Deployment, Version } from "./types";

export type StationState = "waiting" | "held" | "moving" | "done" | "failed" | "stopped";

export interface Station {
  name: "upload" | "scan" | "build" | "test" | "release" | "verify" | "live";
  label: string;
  state: StationState;
  /** ISO 8601 times of the API; both there once it is over. */
  startedAt?: string | undefined;
  finishedAt?: string | undefined;
}

/** One step of the build program's report. */
export interface ReportStep {
  name: string;
  state: "waiting" | "running" | "passed" | "failed" | "skipped" | string;
  started_at: string | null;
  finished_at: string | null;
}

const LABELS: [Station["name"], string][] = [
  ["upload", "Upload"],
  ["scan", "Scan"],
  ["build", "Build"],
  ["test", "Test"],
  ["release", "Release"],
  ["verify", "Verify"],
  ["live", "Live"],
];
/** Which steps of the report belong to which station. */
const STEPS: Partial<Record<Station["name"], string[]>> = {
  scan: ["fetch", "scan"],
  build: ["build"],
  test: ["start", "test"],
  release: ["publish"],
};
const ENDED = new Set(["failed", "rejected", "cancelled"]);

export function pipeline(
  version: Pick<Version, "state" | "timings" | "hold" | "plan"> | undefined,
  steps: ReportStep[] = [],
  deployment?: Pick<Deployment, "state" | "timings"> | undefined,
): Station[] {
  const stations = LABELS.map(([name, label]): Station => ({ name, label, state: "waiting" }));
  const at = (name: Station["name"]) => stations.find((one) => one.name === name) as Station;
  if (version) {
    upload(version, at("upload"));
    for (const name of ["scan", "build", "test"] as const) built(version, steps, at(name));
    settle(version, stations.slice(0, 4));
  } else if (deployment) {
    for (const station of stations.slice(0, 4)) station.state = "done";
  }
  if (deployment) deployed(deployment, at("release"), at("verify"), at("live"));
  else if (version) published(version, steps, at("release"));
  return stations;
}

/** Where it is now, or where it ended. */
export function currentStation(stations: Station[]): number {
  const moving = stations.findIndex((one) => !["waiting", "done"].includes(one.state));
  if (moving >= 0) return moving;
  const waiting = stations.findIndex((one) => one.state === "waiting");
  return waiting < 0 ? stations.length - 1 : Math.max(0, waiting - 1);
}

function upload(
  { state, timings, hold, plan }: Pick<Version, "state" | "timings" | "hold" | "plan">,
  station: Station,
): void {
  station.startedAt = timings.awaiting_upload;
  station.finishedAt = timings.building ?? timings.uploaded;
  if (state === "awaiting_upload") station.state = "moving";
  else if (state === "uploaded") station.state = hold && plan ? "held" : "moving";
  else if (timings.building) station.state = "done";
  else if (ENDED.has(state)) station.state = state === "cancelled" ? "stopped" : "failed";
  else station.state = "done";
}

function built(version: Pick<Version, "state">, steps: ReportStep[], station: Station): void {
  const mine = steps.filter((step) => STEPS[station.name]?.includes(step.name));
  station.startedAt = mine.find((step) => step.started_at)?.started_at ?? undefined;
  station.finishedAt = mine.findLast((step) => step.finished_at)?.finished_at ?? undefined;
  if (version.state === "ready") station.state = "done";
  if (version.state === "ready" || mine.length === 0) return;
  if (mine.some((step) => step.state === "failed")) station.state = "failed";
  else if (mine.every((step) => ["passed", "skipped"].includes(step.state))) {
    if (mine.some((step) => step.state === "passed")) station.state = "done";
  } else if (mine.some((step) => step.state === "running" || step.state === "passed")) {
    station.state = version.state === "building" ? "moving" : "stopped";
  }
}

/** A build always stands somewhere, whether or not its report has said so yet. */
function settle(version: Pick<Version, "state">, stations: Station[]): void {
  const next = stations.find((one) => one.state !== "done");
  if (next?.state !== "waiting") return;
  if (version.state === "building") next.state = "moving";
  if (version.state === "cancelled") next.state = "stopped";
  if (version.state === "failed" || version.state === "rejected") next.state = "failed";
}

function published(version: Pick<Version, "state">, steps: ReportStep[], station: Station): void {
  const step = steps.find((one) => one.name === "publish");
  if (step?.state === "running" && version.state === "building") station.state = "moving";
  if (step?.state === "failed") station.state = "failed";
}

function deployed(
  { state, timings }: Pick<Deployment, "state" | "timings">,
  release: Station,
  verify: Station,
  live: Station,
): void {
  const end = timings.failed ?? timings.rolled_back ?? timings.cancelled;
  release.startedAt = timings.queued ?? timings.releasing;
  release.finishedAt = timings.verifying ?? (timings.live || end);
  verify.startedAt = timings.verifying;
  verify.finishedAt = timings.verifying ? (timings.live ?? end) : undefined;
  const was = timings.live !== undefined;
  const stuck = timings.verifying === undefined ? release : verify;
  if (was) {
    release.state = "done";
    verify.state = "done";
    live.state = state === "crashed" ? "failed" : state === "stopped" ? "stopped" : "done";
    if (["failed", "rolled_back"].includes(state)) live.state = "failed";
    live.startedAt = timings.live;
    return;
  }
  if (stuck === verify) release.state = "done";
  if (state === "queued" || state === "releasing" || state === "verifying") stuck.state = "moving";
  else if (state === "failed" || state === "rolled_back" || state === "crashed")
    stuck.state = "failed";
  else stuck.state = "stopped";
}
