/** Things as the API gives them, for component tests; what a test is about, it says itself. */
import type { AgentDetail, Deployment, DeploymentEvent, LogLine, Version } from "@/api/types";

const AT = "2026-01-01T10:00:00Z";

export function agent(more: Partial<AgentDetail> = {}): AgentDetail {
  return {
    id: "agt_1",
    slug: "tide-reader",
    name: "Tide Reader",
    description: "Reads the tides.",
    category: "other",
    runtime: "python",
    visibility: "private",
    version_count: 1,
    created_at: AT,
    updated_at: AT,
    revision: 1,
    environments: [{ name: "production", serving: "dep_1", moving: null, queued: null }],
    ...more,
  };
}

export function version(more: Partial<Version> = {}): Version {
  return {
    id: "ver_1",
    agent_id: "agt_1",
    number: 1,
    label: "v1",
    state: "ready",
    source: { kind: "upload", filename: "tide.zip", size: 1200, digest: "ab12", template: null },
    environment: "production",
    deploy: true,
    hold: false,
    choice: null,
    manifest: { name: "Tide Reader" },
    plan: { runtime: "python", health_path: "/", start_command: "python main.py" },
    inferred: [{ field: "start_command", value: "python main.py", source: "agent.yaml" }],
    candidates: [],
    warnings: [],
    reasons: [],
    image: "registry/x@sha256:1",
    image_size: 1000,
    deployment_id: "dep_1",
    timings: {
      awaiting_upload: AT,
      building: "2026-01-01T10:00:01Z",
      ready: "2026-01-01T10:00:04Z",
    },
    created_by: "usr_ada",
    created_at: AT,
    updated_at: AT,
    revision: 3,
    ...more,
  };
}

export function deployment(more: Partial<Deployment> = {}): Deployment {
  return {
    id: "dep_1",
    agent_id: "agt_1",
    version_id: "ver_1",
    version_number: 1,
    environment: "production",
    state: "live",
    url: "http://tide.example",
    confirmed_at: new Date().toISOString(),
    reasons: [],
    trigger: "build",
    rollback_of: null,
    image: "registry/x@sha256:1",
    confirmed_image: "registry/x@sha256:1",
    host_status: "SUCCESS",
    restarts: 0,
    warnings: [],
    differences: [],
    waiting_for: null,
    confirmed: {
      at: AT,
      deployment_id: "",
      domain: "tide.example",
      health: null,
      image: "registry/x@sha256:1",
      instances: [],
      proof: {},
      service_id: "",
      status: "SUCCESS",
    },
    asked: {
      at: AT,
      by: "usr_ada",
      image: "registry/x@sha256:1",
      settings: {},
      strategy: "replace",
      trigger: "build",
      version_label: "v1",
      version_number: 1,
    },
    timings: {
      queued: AT,
      releasing: AT,
      verifying: "2026-01-01T10:00:02Z",
      live: "2026-01-01T10:00:03Z",
    },
    created_by: "usr_ada",
    created_at: AT,
    updated_at: AT,
    revision: 4,
    ...more,
  };
}

export function event(more: Partial<DeploymentEvent> = {}): DeploymentEvent {
  return {
    sequence: 1,
    at: AT,
    event: "requested",
    state: "queued",
    detail: "",
    actor: "x",
    facts: {},
    ...more,
  };
}

export function logLine(message: string, more: Partial<LogLine> = {}): LogLine {
  return { timestamp: "2026-01-01T10:00:00.000Z", level: "info", message, step: null, ...more };
}

export function steps(...states: string[]) {
  return ["fetch", "scan", "build", "start", "test", "publish"].map((name, index) => ({
    name,
    state: states[index] ?? "skipped",
    started_at: states[index] ? "2026-01-01T10:00:01Z" : null,
    finished_at: states[index] ? "2026-01-01T10:00:02Z" : null,
  }));
}

export const list = <T>(items: T[], next_cursor: string | null = null) => ({ items, next_cursor });
export const log = (items: LogLine[], more = false) => ({
  items,
  next_cursor: items.length ? "c" : null,
  more,
});
