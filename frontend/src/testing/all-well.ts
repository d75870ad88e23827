/** A platform where all is well: what every page reads, and the pages themselves. */
import type { JsonBodyType } from "msw";
import { forgetLogs } from "@/api/logs";
import type { FeatureRoutes } from "@/components/routing";
import { answer } from "./server";
import {
  agent,
  deployment,
  event,
  found,
  list,
  listing,
  log,
  logLine,
  offer,
  repository,
  steps,
  update,
  version,
} from "./things";

const AT = "2026-01-01T10:00:00Z";
const features = Object.values(
  import.meta.glob<{ routes: FeatureRoutes }>("../features/*/routes.ts", { eager: true }),
).map((module) => module.routes);
export const routes = features.flatMap(({ inside = [], open = [] }) => [...inside, ...open]);

const organisation = {
  id: "org_1",
  name: "Harbour Office",
  personal: false,
  tier: "free",
  role: "owner",
  restricted: false,
  created_at: AT,
  closes_at: null,
  revision: 3,
};
const may = [
  ...["organisation:update", "organisation:delete", "organisation:transfer", "member:invite"],
  ...[
    "member:update",
    "member:remove",
    "audit:read",
    "token:create",
    "agent:publish",
    "agent:share",
    "repository:connect",
    "preview:approve",
  ],
];

/** What the API answers when all is well. */
export const GOOD: Record<string, JsonBodyType> = {
  "/agents": list([{ ...agent(), production: null }]),
  "/agents/{agent_id}": agent(),
  "/agents/{agent_id}/deployments": list([deployment()]),
  "/agents/{agent_id}/environments/{environment}/variables": {
    environment: "production",
    items: [],
    revision: 1,
  },
  "/agents/{agent_id}/listing": listing(),
  "/agents/{agent_id}/shares": list([]),
  "/agents/{agent_id}/updates": update({ available: false }),
  "/agents/{agent_id}/badge": {
    badge_url: "http://localhost:8800/api/v1/badges/x",
    page_url: "http://localhost:8800/agents/agt_1",
    markdown: "[![Slipway](x)](y)",
    deploy_url: null,
    deploy_markdown: null,
  },
  "/agents/{agent_id}/deliveries": list([]),
  "/agents/{agent_id}/previews": list([]),
  "/agents/{agent_id}/repository": repository(),
  "/agents/{agent_id}/versions": list([version()]),
  "/agents/{agent_id}/versions/{version_id}": version(),
  "/agents/{agent_id}/versions/{version_id}/logs": log([]),
  "/agents/{agent_id}/versions/{version_id}/report": {
    report: { state: "succeeded", steps: steps(...Array(6).fill("passed")) },
  },
  "/audit": list([]),
  "/audit/verify": { intact: true, checked: 0, next_cursor: null, anchor: null },
  "/auth/providers": { items: [], email: true, mailbox_url: null },
  "/deployments": list([{ ...deployment(), agent: null }]),
  "/deployments/{deployment_id}": deployment(),
  "/deployments/{deployment_id}/events": list([event()]),
  "/deployments/{deployment_id}/logs": log([logLine("hello")], true),
  "/deployments/{deployment_id}/metrics": { series: {} },
  "/deployments/{deployment_id}/variables": { items: [], next_cursor: null },
  "/marketplace/agents": found([]),
  "/marketplace/agents/{slug}": offer({ docs: [{ path: "docs/usage.md", title: "Usage" }] }),
  "/marketplace/agents/{slug}/docs": { path: "docs/usage.md", text: "# Usage" },
  "/marketplace/agents/{slug}/review": {
    review: null,
    may_review: false,
    why_not: "Run it.",
    voted: [],
  },
  "/marketplace/agents/{slug}/reviews": list([]),
  "/marketplace/shared": found([]),
  "/marketplace/shared/{offer_id}": {
    ...offer({ docs: [{ path: "docs/usage.md", title: "Usage" }] }),
    offer_id: "agt_1",
    shown_by: "member",
  },
  "/marketplace/shared/{offer_id}/docs": { path: "docs/usage.md", text: "# Usage" },
  "/me": {
    user: { id: "usr_ada", email: "ada@example.org", name: "Ada" },
    organisation: { id: "org_1", name: "Harbour Office", personal: false, tier: "free" },
    role: "owner",
    scope: "admin",
    restricted: false,
    agent_id: null,
    session_id: "ses_1",
    token_id: null,
    operator: true,
  },
  "/me/identities": list([]),
  "/me/identities/pending": list([]),
  "/me/sessions": list([]),
  "/moderation/reports": list([]),
  "/operations": {
    budget: { limit: 10, left: 7, resets_at: AT, paused_until: null, heard_at: AT },
    reconciler: null,
    repairs: [],
    orphans: [],
    stuck: [],
    moving: 0,
    serving: 0,
  },
  "/operations/deliveries": list([]),
  "/operations/repairs": list([]),
  "/organisations": list([organisation]),
  "/organisations/{org_id}": organisation,
  "/organisations/{org_id}/invitations": list([]),
  "/organisations/{org_id}/members": list([]),
  "/permissions": { roles: { owner: may }, scopes: {}, actions: [] },
  "/templates": list([]),
  "/tokens": list([]),
};

/** The pattern of a path of the API for MSW. */
export const pattern = (path: string) => path.replace(/\{(\w+)\}/g, ":$1");

export function allIsWell(): void {
  forgetLogs();
  for (const [path, body] of Object.entries(GOOD)) answer("get", pattern(path), body);
  // Looking is counted; nobody waits for that.
  answer("post", "/marketplace/agents/:slug/views", {}, { status: 202 });
}
