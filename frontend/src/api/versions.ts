/** Queries of an agent's versions, and which of their states are still on the way. */
import {
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
  useQuery,
} from "@tanstack/react-query";
import { api } from "./client";
import type { ReportStep } from "./pipeline";
import type { Reason, Version, VersionState } from "./types";

export const versionKeys = {
  of: (agentId: string) => ["agents", agentId, "versions"] as const,
  one: (agentId: string, id: string) => ["agents", agentId, "versions", id] as const,
  report: (agentId: string, id: string, final: boolean) =>
    ["agents", agentId, "versions", id, "report", final] as const,
};

const MOVING: ReadonlySet<VersionState> = new Set(["awaiting_upload", "uploaded", "building"]);

export function versionMoves(version: { state: VersionState }): boolean {
  return MOVING.has(version.state);
}

/** Whether something is still to come of it: an end, or the deployment it was made for. */
export function versionOwes(version: Version): boolean {
  if (version.state !== "ready") return versionMoves(version);
  const heldBack = version.warnings.some(({ code }) => code === "auto_deploy_paused");
  return version.deploy && version.deployment_id === null && !heldBack;
}

export const versionsQuery = (agentId: string) =>
  infiniteQueryOptions({
    queryKey: versionKeys.of(agentId),
    queryFn: ({ pageParam, signal }) =>
      api.get("/agents/{agent_id}/versions", {
        path: { agent_id: agentId },
        query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const versionQuery = (agentId: string, versionId: string) =>
  queryOptions({
    queryKey: versionKeys.one(agentId, versionId),
    queryFn: ({ signal }) =>
      api.get("/agents/{agent_id}/versions/{version_id}", {
        path: { agent_id: agentId, version_id: versionId },
        signal,
      }),
  });

/** What the scan saw in one place. `block` ends the build. */
export interface Finding {
  rule: string;
  severity: "critical" | "high" | "medium" | "low";
  level: "block" | "warn" | "info";
  file: string | null;
  line: number | null;
  detail: string;
  advice: string;
}

/** One of the manifest's tests: `passes` of `runs`; `detail` says what was wrong. */
export interface TestResult {
  name: string;
  passed: boolean;
  runs: number;
  passes: number;
  detail: string;
}

/** A scanner that ran, or (under `unavailable`) why it could not. */
interface ScanTool {
  name: string;
  detail: string;
}

/** The build program's own report, as far as it has come. */
export interface Report {
  state: string;
  steps: ReportStep[];
  reasons: Reason[];
  scan: { findings: Finding[]; tools: ScanTool[]; unavailable: ScanTool[] };
  tests: TestResult[];
  size_bytes: number;
  warnings: string[];
}

const NO_REPORT: Report = {
  state: "",
  steps: [],
  reasons: [],
  scan: { findings: [], tools: [], unavailable: [] },
  tests: [],
  size_bytes: 0,
  warnings: [],
};

const SOON = 800;

/** `final`: the build is over, so that what is read holds for ever. */
const reportQuery = (agentId: string, versionId: string, final: boolean) =>
  queryOptions({
    queryKey: versionKeys.report(agentId, versionId, final),
    staleTime: final ? Number.POSITIVE_INFINITY : 0,
    queryFn: async ({ signal }) => {
      const { report } = await api.get("/agents/{agent_id}/versions/{version_id}/report", {
        path: { agent_id: agentId, version_id: versionId },
        signal,
      });
      return reportOf(report);
    },
  });

/** The report of a build, read as it grows. */
export function useReport(version: Version | undefined): Report | undefined {
  const building = version?.state === "building";
  return useQuery({
    ...reportQuery(version?.agent_id ?? "", version?.id ?? "", !building),
    enabled: version?.timings.building !== undefined,
    refetchInterval: building ? SOON : false,
    placeholderData: keepPreviousData,
  }).data;
}

// The report is JSON of another program: what it leaves out is empty.
function reportOf(given: { [key: string]: unknown }): Report {
  const report = { ...NO_REPORT, ...given } as Report;
  return { ...report, scan: { ...NO_REPORT.scan, ...report.scan } };
}

export function cancelVersion(agentId: string, versionId: string) {
  return api.post("/agents/{agent_id}/versions/{version_id}/cancel", {
    path: { agent_id: agentId, version_id: versionId },
  });
}
