/** Each call that pages read with: delayed, refused and cut, people see it and can go on. */
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { delay, HttpResponse, http, type JsonBodyType } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { forgetLogs } from "@/api/logs";
import type { FeatureRoutes } from "@/components/routing";
import { renderPage } from "./render";
import { answer, refuse, server } from "./server";
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
const routes = features.flatMap(({ inside = [], open = [] }) => [...inside, ...open]);

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
  ...["member:update", "member:remove", "audit:read", "token:create", "agent:publish"],
  "agent:share",
];

/** What the API answers when all is well. */
const GOOD: Record<string, JsonBodyType> = {
  "/agents": list([{ ...agent(), production: null }]),
  "/agents/{agent_id}": agent(),
  "/agents/{agent_id}/deployments": list([deployment()]),
  "/agents/{agent_id}/environments/{environment}/variables": {
    environment: "production",
    items: [],
    revision: 1,
  },
  "/agents/{agent_id}/listing": listing(),
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
  "/agents/{agent_id}/shares": { items: [] },
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
  "/operations/repairs": list([]),
  "/organisations": list([organisation]),
  "/organisations/{org_id}": organisation,
  "/organisations/{org_id}/invitations": list([]),
  "/organisations/{org_id}/members": list([]),
  "/permissions": { roles: { owner: may }, scopes: {}, actions: [] },
  "/templates": list([]),
  "/tokens": list([]),
};

/** Where each call is what the page, or a part of it, is about. */
const SHOWN: Record<string, string> = {
  "/agents": "/agents",
  "/agents/{agent_id}": "/agents/agt_1",
  "/agents/{agent_id}/deployments": "/agents/agt_1/deployments",
  "/agents/{agent_id}/environments/{environment}/variables": "/agents/agt_1/variables",
  "/agents/{agent_id}/listing": "/agents/agt_1/listing",
  "/agents/{agent_id}/badge": "/agents/agt_1/repository",
  "/agents/{agent_id}/deliveries": "/agents/agt_1/repository",
  "/agents/{agent_id}/previews": "/agents/agt_1/repository",
  "/agents/{agent_id}/repository": "/agents/agt_1/repository",
  "/agents/{agent_id}/shares": "/agents/agt_1/listing",
  "/agents/{agent_id}/versions": "/agents/agt_1/versions",
  "/agents/{agent_id}/versions/{version_id}": "/agents/agt_1/versions/ver_1",
  "/audit": "/organisation/audit",
  "/deployments": "/deployments",
  "/deployments/{deployment_id}": "/agents/agt_1/deployments/dep_1",
  "/deployments/{deployment_id}/metrics": "/agents/agt_1/metrics",
  "/marketplace/agents": "/marketplace",
  "/marketplace/agents/{slug}": "/marketplace/site-watch",
  "/marketplace/agents/{slug}/docs": "/marketplace/site-watch?page=docs/usage.md",
  "/marketplace/agents/{slug}/review": "/marketplace/site-watch",
  "/marketplace/agents/{slug}/reviews": "/marketplace/site-watch",
  "/marketplace/shared/{offer_id}": "/marketplace/shared/agt_1",
  "/marketplace/shared/{offer_id}/docs": "/marketplace/shared/agt_1?page=docs/usage.md",
  "/me": "/organisation",
  "/me/identities": "/profile/sign-in",
  "/me/identities/pending": "/sign-in/link",
  "/me/sessions": "/profile/sessions",
  "/moderation/reports": "/operations",
  "/operations": "/operations",
  "/organisations/{org_id}": "/organisation",
  "/organisations/{org_id}/invitations": "/organisation/invitations",
  "/organisations/{org_id}/members": "/organisation",
  "/templates": "/deploy",
  "/tokens": "/profile/tokens",
};

/** Calls whose failure is told otherwise, and where that is tested. */
const OTHERWISE: Record<string, string> = {
  "/agents/{agent_id}/updates": "a notice that is not there: agents/listing.test.tsx",
  "/agents/{agent_id}/versions/{version_id}/logs": "in the log itself: api/logs.test.ts",
  "/agents/{agent_id}/versions/{version_id}/report": "beside its stations: deployments.test.tsx",
  "/audit/verify": "asked for by a button: organisation.test.tsx",
  "/auth/providers": "the link by email is there without it",
  "/deployments/{deployment_id}/events": "the pipeline is there without them: deployments.test.tsx",
  "/deployments/{deployment_id}/logs": "in the log itself: api/logs.test.ts",
  "/deployments/{deployment_id}/variables": "among what changed: deployments.test.tsx",
  "/github": "in the form: agents/repository.test.tsx",
  "/github/installations/{installation_id}/repositories": "in the form, likewise",
  "/github/repositories/{owner}/{name}/branches": "at the field, likewise",
  "/marketplace/agents/{slug}/pages": "asked for by typing: marketplace/shared-page.test.tsx",
  "/marketplace/shared": "the public agents are there without it: marketplace/shared-page.test.tsx",
  "/marketplace/shared/{offer_id}/pages": "asked for by typing, likewise",
  "/me/export": "asked for by a button: profile.test.tsx",
  "/operations/repairs": "asked for by a button: operations.test.tsx",
  "/organisations": "the one that is chosen is there without the others",
  "/permissions": "nothing is offered that may be refused; the API decides",
};

const pattern = (path: string) => `*/api/v1${path.replace(/\{(\w+)\}/g, ":$1")}`;

beforeEach(() => {
  forgetLogs();
  for (const [path, body] of Object.entries(GOOD)) {
    answer("get", path.replace(/\{(\w+)\}/g, ":$1"), body);
  }
  // Looking is counted; nobody waits for that.
  answer("post", "/marketplace/agents/:slug/views", {}, { status: 202 });
});

const show = (path: string) => renderPage(routes, SHOWN[path] ?? "/");
const told = async (text: string) => (await screen.findAllByText(text))[0];

describe.each(Object.keys(SHOWN))("reading %s", (path) => {
  it("leaves an outline while it takes long", async () => {
    server.use(http.get(pattern(path), () => delay("infinite")));
    show(path);
    await waitFor(() => expect(document.querySelector("[aria-busy=true]")).not.toBeNull());
    expect(screen.queryByRole("alert")).not.toBeInTheDocument();
  });

  it("says why it was refused, with a trace, and reads it when asked again", async () => {
    refuse("get", path.replace(/\{(\w+)\}/g, ":$1"), 500, "This is our fault.");
    show(path);
    expect(await told("This is our fault.")).toBeInTheDocument();
    expect(await told("trace-of-the-test")).toBeInTheDocument();
    answer("get", path.replace(/\{(\w+)\}/g, ":$1"), GOOD[path] ?? null);
    for (const again of screen.getAllByRole("button", { name: "Try again" })) {
      await userEvent.click(again);
    }
    await waitFor(() => expect(screen.queryByText("This is our fault.")).not.toBeInTheDocument());
  });

  it("says that there was no answer", async () => {
    server.use(http.get(pattern(path), () => HttpResponse.error()));
    show(path);
    expect(await told("No answer")).toBeInTheDocument();
    expect(screen.getAllByRole("button", { name: "Try again" })).not.toHaveLength(0);
  });
});

it("no call is left out", () => {
  const sources = import.meta.glob<string>("../api/*.ts", {
    eager: true,
    query: "?raw",
    import: "default",
  });
  const called = Object.entries(sources)
    .filter(([name]) => !/\.(test|gen)\./.test(name))
    .flatMap(([, text]) => [...text.matchAll(/api\.get\(\s*"([^"]+)"/g)].map(([, path]) => path));
  expect([...new Set(called)].sort()).toEqual(
    [...Object.keys(SHOWN), ...Object.keys(OTHERWISE)].sort(),
  );
});
