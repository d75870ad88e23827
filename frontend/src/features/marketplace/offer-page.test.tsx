import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, list, offer } from "@/testing/things";
import { routes } from "./routes";

const AT = "/marketplace/agents/site-watch";
const REVIEW = {
  id: "rev_1",
  author: "Grace",
  stars: 4,
  text: "It <b>watches</b>.",
  label: "1.0.0",
  helpful: 2,
  reply: "Thanks.",
  replied_at: "2026-01-02T10:00:00Z",
  created_at: "2026-01-01T10:00:00Z",
  updated_at: "2026-01-01T10:00:00Z",
};

function open({ signedIn = false, at = "/marketplace/site-watch" } = {}) {
  server.use(http.post(`*/api/v1${AT}/views`, () => new HttpResponse(null, { status: 204 })));
  const elsewhere = [
    { path: "agents/*", element: "There" },
    { path: "deploy/*", element: "There" },
    { path: "sign-in", element: "Sign in here" },
  ];
  return renderPage([...(routes.open ?? []), ...(routes.inside ?? []), ...elsewhere], at, {
    signedIn,
  });
}

describe("a public agent", () => {
  it("is read without signing in: README, inputs, reviews as plain text", async () => {
    answer("get", AT, offer());
    answer("get", `${AT}/reviews`, list([REVIEW]));
    open();
    expect(await screen.findByRole("heading", { level: 1, name: /Site watch/ })).toBeVisible();
    expect(await screen.findByRole("heading", { level: 3, name: "Reads" })).toBeInTheDocument();
    expect(screen.getByText("WATCH_URLS")).toBeInTheDocument();
    expect(await screen.findByText("It <b>watches</b>.")).toBeInTheDocument();
    expect(screen.getByText("Thanks.")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Sign in to review" })).toHaveAttribute(
      "href",
      "/sign-in?return_to=%2Fmarketplace%2Fsite-watch",
    );
    expect(screen.getByRole("link", { name: "example.org" })).toHaveAttribute(
      "href",
      "https://example.org/source",
    );
  });

  it("leads to another page of its documentation", async () => {
    const docs = [{ path: "docs/usage.md", title: "Usage" }];
    answer("get", AT, offer({ docs, readme: "Read [how](docs/usage.md) or [no](../etc.md)." }));
    answer("get", `${AT}/docs`, { path: "docs/usage.md", title: "Usage", markdown: "Ask for it." });
    answer("get", `${AT}/reviews`, list([]));
    open();
    await userEvent.click(await screen.findByRole("link", { name: "how" }));
    expect(await screen.findByText("Ask for it.")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Usage" })).toHaveAttribute("aria-current", "page");
    expect(screen.queryByRole("link", { name: "no" })).toBeNull();
  });

  it("says that nothing is published there", async () => {
    refuse("get", AT, 404, "No such agent.", "not_found");
    open();
    expect(await screen.findByText("No agent is published under this address")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Search the marketplace" })).toBeInTheDocument();
  });

  it("shows what failed, and tries again", async () => {
    refuse("get", AT, 500, "This is our fault.");
    answer("get", `${AT}/reviews`, list([]));
    open();
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    answer("get", AT, offer());
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("WATCH_URLS")).toBeInTheDocument();
  });

  it("takes a review of who ran it, and wants stars", async () => {
    answer("get", AT, offer());
    answer("get", `${AT}/reviews`, list([]));
    answer("get", `${AT}/review`, { review: null, may_review: true, why_not: null, voted: [] });
    const sent: unknown[] = [];
    server.use(
      http.put(`*/api/v1${AT}/review`, async ({ request }) => {
        sent.push(await request.json());
        return HttpResponse.json({ ...REVIEW, hidden: false, hidden_reason: "" });
      }),
    );
    open({ signedIn: true });
    await userEvent.click(await screen.findByRole("button", { name: "Publish my review" }));
    expect(screen.getByText("Choose one to five stars.")).toBeInTheDocument();
    await userEvent.click(screen.getByRole("radio", { name: "4 stars, Very good" }));
    await userEvent.type(screen.getByLabelText(/What you found/), "It watches.");
    await userEvent.click(screen.getByRole("button", { name: "Publish my review" }));
    await waitFor(() => expect(sent).toEqual([{ stars: 4, text: "It watches." }]));
  });

  it("says why somebody may not review it", async () => {
    answer("get", AT, offer());
    answer("get", `${AT}/reviews`, list([]));
    answer("get", `${AT}/review`, {
      review: null,
      may_review: false,
      why_not: "Try it first.",
      voted: [REVIEW.id],
    });
    open({ signedIn: true });
    expect(await screen.findByText(/Try it first\./)).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Publish my review" })).toBeNull();
  });

  it("is reported by people who have signed in", async () => {
    answer("get", AT, offer());
    answer("get", `${AT}/reviews`, list([REVIEW]));
    answer("get", `${AT}/review`, { review: null, may_review: false, why_not: "No.", voted: [] });
    const sent: unknown[] = [];
    server.use(
      http.post(`*/api/v1${AT}/reports`, async ({ request }) => {
        sent.push(await request.json());
        return HttpResponse.json({ id: "rep_1" }, { status: 202 });
      }),
    );
    open({ signedIn: true });
    await userEvent.click(await screen.findByRole("button", { name: "Report" }));
    await userEvent.selectOptions(await screen.findByLabelText("What is wrong"), "offensive");
    await userEvent.click(screen.getByRole("button", { name: "Send report" }));
    await waitFor(() =>
      expect(sent).toEqual([{ reason: "offensive", detail: "", review_id: "rev_1" }]),
    );
  });
});

describe("a copy of one's own", () => {
  const at = "/marketplace/site-watch/copy";

  it("is not to be had of an agent that is gone", async () => {
    refuse("get", AT, 404, "No such agent.", "not_found");
    open({ signedIn: true, at: "/marketplace/site-watch/copy" });
    expect(await screen.findByText("No agent is published under this address")).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
  });

  it("asks for what is needed, then shows the deployment", async () => {
    answer("get", AT, offer());
    const sent: { body: unknown; key: string | null }[] = [];
    server.use(
      http.post(`*/api/v1${AT}/copies`, async ({ request }) => {
        sent.push({ body: await request.json(), key: request.headers.get("Idempotency-Key") });
        return sent.length === 1
          ? HttpResponse.json(
              { title: "Busy", detail: "Try again.", code: "busy" },
              { status: 500 },
            )
          : HttpResponse.json(
              { agent: agent(), origin: {}, version_id: "ver_9", deployment_id: "dep_9" },
              { status: 201 },
            );
      }),
    );
    const { router } = open({ signedIn: true, at });
    const press = () => userEvent.click(screen.getByRole("button", { name: "Deploy my copy" }));
    await screen.findByLabelText("WATCH_URLS");
    await press();
    expect(screen.getByText("The agent does not start without it.")).toBeInTheDocument();
    expect(sent).toEqual([]);
    await userEvent.type(screen.getByLabelText("WATCH_URLS"), "https://example.org");
    await press();
    expect(await screen.findByText("Try again.")).toBeInTheDocument();
    await press();
    await screen.findByText("There");
    expect(router.state.location.pathname).toBe("/agents/agt_1/deployments/dep_9");
    expect(sent[1]?.body).toMatchObject({
      name: "Site watch",
      version_id: "ver_1",
      variables: { WATCH_URLS: "https://example.org" },
      fork: false,
    });
    // The same intention, sent twice.
    expect(sent[1]?.key).toBe(sent[0]?.key);
  });

  it("shows at its field what the platform does not take", async () => {
    answer("get", AT, offer());
    answer(
      "post",
      `${AT}/copies`,
      {
        title: "Missing",
        detail: "Give a value.",
        code: "variables_missing",
        errors: [{ field: "variables.WATCH_URLS", detail: "Only https addresses." }],
      },
      { status: 422 },
    );
    open({ signedIn: true, at });
    await userEvent.type(await screen.findByLabelText("WATCH_URLS"), "gopher:x");
    await userEvent.click(screen.getByRole("button", { name: "Deploy my copy" }));
    expect(await screen.findByText("Only https addresses.")).toBeInTheDocument();
    expect(screen.getByLabelText("WATCH_URLS")).toHaveValue("gopher:x");
  });
});
