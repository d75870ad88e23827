/** Each call that pages read with: delayed, refused and cut, people see it and can go on. */
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { delay, HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { allIsWell, GOOD, pattern, routes } from "./all-well";
import { renderPage } from "./render";
import { answer, refuse, server } from "./server";

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
  "/marketplace/agents/{slug}/pages": "below the field that searches them: offer-page.test.tsx",
  "/marketplace/shared": "beside the public ones: marketplace/shared-page.test.tsx",
  "/marketplace/shared/{offer_id}/pages": "likewise",
  "/me/export": "asked for by a button: profile.test.tsx",
  "/operations/deliveries": "in its own part of the page: operations.test.tsx",
  "/operations/repairs": "asked for by a button: operations.test.tsx",
  "/organisations": "the one that is chosen is there without the others",
  "/permissions": "nothing is offered that may be refused; the API decides",
};

beforeEach(allIsWell);

const show = (path: string) => renderPage(routes, SHOWN[path] ?? "/");
const told = async (text: string) => (await screen.findAllByText(text))[0];

describe.each(Object.keys(SHOWN))("reading %s", (path) => {
  it("leaves an outline while it takes long", async () => {
    server.use(http.get(`*/api/v1${pattern(path)}`, () => delay("infinite")));
    show(path);
    await waitFor(() => expect(document.querySelector("[aria-busy=true]")).not.toBeNull());
    expect(screen.queryByRole("alert")).not.toBeInTheDocument();
  });

  it("says why it was refused, with a trace, and reads it when asked again", async () => {
    refuse("get", pattern(path), 500, "This is our fault.");
    show(path);
    expect(await told("This is our fault.")).toBeInTheDocument();
    expect(await told("trace-of-the-test")).toBeInTheDocument();
    answer("get", pattern(path), GOOD[path] ?? null);
    for (const again of screen.getAllByRole("button", { name: "Try again" })) {
      await userEvent.click(again);
    }
    await waitFor(() => expect(screen.queryByText("This is our fault.")).not.toBeInTheDocument());
  });

  it("says that there was no answer", async () => {
    server.use(http.get(`*/api/v1${pattern(path)}`, () => HttpResponse.error()));
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
