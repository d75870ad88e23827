/** Things as the API gives them, for component tests; what a test is about, it says itself. */
import type {
  AgentDetail,
  Card,
  Deployment,
  DeploymentEvent,
  Listing,
  LogLine,
  Offer,
  RepositoryConnection,
  Update,
  Version,
} from "@/api/types";

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
    source: {
      kind: "upload",
      filename: "tide.zip",
      size: 1200,
      digest: "ab12",
      template: null,
      commit: null,
    },
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
    commit: null,
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

export function card(more: Partial<Card> = {}): Card {
  return {
    slug: "site-watch",
    name: "Site watch",
    summary: "Checks the addresses you set.",
    publisher: "Harbour works",
    categories: ["monitoring"],
    tags: ["uptime"],
    runtime: "python",
    licence: "MIT",
    icon: "",
    picture: "",
    label: "1.0.0",
    published_at: AT,
    refreshed_at: AT,
    counts: { views: 9, deployments: 4, users: 3, ratings: 2, rating: 4.5 },
    ...more,
  };
}

export const found = (items: Card[], more: object = {}) => ({
  items,
  facets: {
    category: { monitoring: items.length, utilities: 0 },
    runtime: { python: items.length },
  },
  total: items.length,
  total_is_exact: true,
  corrected: null,
  next_cursor: null,
  ...more,
});

export function offer(more: Partial<Offer> = {}): Offer {
  const version = {
    version_id: "ver_1",
    number: 1,
    label: "1.0.0",
    image_size: 1000,
    published_at: AT,
  };
  return {
    ...card(),
    readme: "# Reads\n\nIt watches.",
    licence_text: "",
    active_users: 0,
    screenshots: [],
    docs: [],
    inputs: [
      {
        name: "WATCH_URLS",
        description: "Where to look",
        required: true,
        secret: false,
        default: null,
      },
    ],
    protocol: null,
    pricing: "",
    source_url: "https://example.org/source",
    demo_url: null,
    fork: false,
    version,
    versions: [version],
    ...more,
  };
}

export function listing(more: Partial<Listing> = {}): Listing {
  return {
    agent_id: "agt_1",
    slug: "tide-reader",
    name: "Tide Reader",
    summary: "",
    publisher: "Harbour works",
    categories: ["other"],
    tags: [],
    icon: "",
    picture: "",
    screenshots: [],
    pricing: "",
    licence: "",
    source_url: "",
    fork: false,
    demo: false,
    runtime: "python",
    visibility: "private",
    is_public: false,
    version_id: null,
    label: "",
    published_at: null,
    refreshed_at: null,
    moderation: "clear",
    moderation_reason: "",
    revision: 3,
    checks: [
      { code: "version", title: "A version is ready", passed: true, detail: "Built." },
      { code: "readme", title: "It has a README", passed: false, detail: "Add a `README.md`." },
    ],
    publishable: false,
    candidate_id: "ver_1",
    candidate_label: "v1",
    ...more,
  };
}

export function update(more: Partial<Update> = {}): Update {
  return {
    origin: { slug: "site-watch", version_id: "ver_1", label: "1.0.0", fork: false },
    listed: true,
    offer_id: null,
    name: "Site watch",
    available: true,
    latest: { version_id: "ver_2", number: 2, label: "1.1.0", published_at: AT },
    difference: {
      manifest: [{ path: "health.path", before: "/", after: "/health" }],
      tools: [],
      variables: [
        { name: "API_KEY", kind: "added", required: true, description: "Of the provider" },
      ],
    },
    missing: ["API_KEY"],
    ...more,
  };
}

export function repository(more: Partial<RepositoryConnection> = {}): RepositoryConnection {
  return {
    agent_id: "agt_1",
    repository: "ada/tides",
    repository_id: 7,
    private: false,
    branch: "main",
    root: "",
    watch: [],
    auto_deploy: true,
    wait_for_checks: false,
    previews: "on",
    how: "webhook",
    installation_id: null,
    webhook_url: "http://localhost:8800/api/v1/webhooks/github/hook_1",
    secret: null,
    state: "connected",
    reason: "",
    created_by: "usr_ada",
    created_at: AT,
    updated_at: AT,
    revision: 2,
    ...more,
  };
}
