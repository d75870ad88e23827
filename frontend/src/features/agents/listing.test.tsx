import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http, type JsonBodyType } from "msw";
import { describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, list, listing, offer, update } from "@/testing/things";
import { routes } from "./routes";

const AT = "/agents/agt_1";

const REVIEWS = "/marketplace/agents/tide-reader/reviews";

function open(path = "/listing", more = {}, reviews: JsonBodyType[] = []) {
  answer("get", REVIEWS, list(reviews));
  answer("get", "/me", { role: "viewer" });
  answer("get", "/permissions", { roles: { viewer: [] }, scopes: {}, actions: [] });
  answer("get", AT, agent({ environments: [], ...more }));
  return renderPage([...(routes.inside ?? []), { path: "*", element: "There" }], AT + path);
}

/** Keeps what was sent, and answers it. */
function take(method: "put" | "post", path: string, reply: () => Response) {
  const sent: { body: unknown; match: string | null }[] = [];
  server.use(
    http[method](`*/api/v1${AT}${path}`, async ({ request }) => {
      sent.push({ body: await request.json(), match: request.headers.get("If-Match") });
      return reply();
    }),
  );
  return sent;
}

describe("a listing", () => {
  it("says what is missing before it can be published", async () => {
    answer("get", `${AT}/listing`, listing());
    open();
    const points = await screen.findByRole("list", { name: "What must hold" });
    expect(within(points).getByText("README.md")).toBeInTheDocument();
    expect(screen.getByText(/1 of 2 points are open/)).toBeInTheDocument();
    expect(screen.getByRole("button", { name: "Publish v1" })).toBeDisabled();
  });

  it("sends what was changed, tags as the API takes them, against the revision seen", async () => {
    answer("get", `${AT}/listing`, listing());
    const sent = take("put", "/listing", () =>
      HttpResponse.json(listing({ tags: ["tide-table", "sea"], revision: 4 })),
    );
    open();
    await userEvent.type(await screen.findByLabelText(/Tags/), "Tide table, sea,, sea");
    await userEvent.click(screen.getByLabelText("Monitoring"));
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() =>
      expect(sent).toEqual([
        {
          body: { categories: ["other", "monitoring"], tags: ["tide-table", "sea"] },
          match: '"3"',
        },
      ]),
    );
  });

  it("shows a fault at its field and keeps what was typed", async () => {
    answer("get", `${AT}/listing`, listing());
    const fault = {
      title: "Invalid",
      detail: "x",
      code: "invalid",
      errors: [{ field: "source_url", detail: "Begin with https." }],
    };
    take("put", "/listing", () => HttpResponse.json(fault, { status: 422 }));
    open();
    await userEvent.type(await screen.findByLabelText(/Source/), "ftp:x");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("Begin with https.")).toBeInTheDocument();
    expect(screen.getByLabelText(/Source/)).toHaveValue("ftp:x");
  });

  it("shows both sides when somebody else saved meanwhile", async () => {
    answer("get", `${AT}/listing`, listing());
    const sent = take("put", "/listing", () => {
      answer("get", `${AT}/listing`, listing({ summary: "Theirs", revision: 5 }));
      return sent.length === 1
        ? HttpResponse.json({ title: "Changed", detail: "x", code: "x" }, { status: 412 })
        : HttpResponse.json(listing({ summary: "Mine", revision: 6 }));
    });
    open();
    await userEvent.type(await screen.findByLabelText("Summary"), "Mine");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("Theirs: Theirs")).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Save mine" }));
    await waitFor(() => expect(sent[1]).toEqual({ body: { summary: "Mine" }, match: '"5"' }));
  });

  it("is published, and taken back after a question", async () => {
    const shown = listing({
      is_public: true,
      publishable: true,
      version_id: "ver_1",
      label: "v1",
      published_at: "2026-01-01T10:00:00Z",
      revision: 4,
    });
    answer("get", `${AT}/listing`, listing({ publishable: true, checks: [] }));
    const sent = take("post", "/publish", () => {
      answer("get", `${AT}/listing`, shown);
      return HttpResponse.json(shown);
    });
    open();
    await userEvent.click(await screen.findByRole("button", { name: "Publish v1" }));
    expect(await screen.findByRole("link", { name: "See its page" })).toHaveAttribute(
      "href",
      "/marketplace/tide-reader",
    );
    expect(sent[0]?.body).toEqual({ version_id: "ver_1", visibility: "public" });
    expect(screen.queryByRole("button", { name: /^Publish/ })).toBeNull();
    expect(screen.getByLabelText("Address")).toHaveAttribute("readonly");
    const gone = take("post", "/unpublish", () => HttpResponse.json(listing()));
    await userEvent.click(screen.getByRole("button", { name: "Unpublish" }));
    expect(gone).toEqual([]);
    const dialog = await screen.findByRole("dialog");
    await userEvent.click(within(dialog).getByRole("button", { name: "Unpublish" }));
    await waitFor(() => expect(gone).toHaveLength(1));
  });

  it("shows why operators have hidden it", async () => {
    answer("get", `${AT}/listing`, listing({ moderation: "hidden", moderation_reason: "Spam." }));
    open();
    expect(await screen.findByText(/Operators have hidden it: Spam\./)).toBeInTheDocument();
  });

  it("shows what failed, and tries again", async () => {
    refuse("get", `${AT}/listing`, 500, "This is our fault.");
    open();
    await screen.findByText("This is our fault.");
    answer("get", `${AT}/listing`, listing());
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByLabelText("Summary")).toBeInTheDocument();
  });
});

describe("a copy", () => {
  const copied = { origin: { slug: "site-watch", version_id: "ver_1", label: "1", fork: false } };

  it("shows what its author has newer, asks for what is missing, and takes it over", async () => {
    answer("get", `${AT}/versions`, list([]));
    answer("get", `${AT}/updates`, update());
    answer("get", "/marketplace/agents/site-watch", offer());
    const sent = take("post", "/updates/accept", () =>
      HttpResponse.json(
        { agent: agent(), origin: copied.origin, version_id: "ver_5", deployment_id: "dep_5" },
        { status: 201 },
      ),
    );
    const { router } = open("", copied);
    await userEvent.click(await screen.findByRole("button", { name: "See what changes" }));
    const table = screen.getByRole("table", { name: "Manifest" });
    expect(within(table).getByRole("cell", { name: "/health" })).toBeInTheDocument();
    const accept = () =>
      userEvent.click(screen.getByRole("button", { name: "Take it over and deploy" }));
    await accept();
    expect(screen.getByText("The new version does not start without it.")).toBeInTheDocument();
    expect(sent).toEqual([]);
    // What sounds like a secret is not shown while it is typed.
    expect(screen.getByLabelText("API_KEY")).toHaveAttribute("type", "password");
    await userEvent.type(screen.getByLabelText("API_KEY"), "k1");
    await accept();
    await waitFor(() =>
      expect(router.state.location.pathname).toBe("/agents/agt_1/deployments/dep_5"),
    );
    expect(sent[0]?.body).toEqual({ variables: { API_KEY: "k1" }, deploy: true });
  });

  it("says where it comes from while there is nothing newer", async () => {
    answer("get", `${AT}/versions`, list([]));
    answer("get", `${AT}/updates`, update({ available: false, latest: null, missing: [] }));
    open("", copied);
    expect(await screen.findByRole("link", { name: "Site watch" })).toHaveAttribute(
      "href",
      "/marketplace/site-watch",
    );
  });
});

describe("reviews of the own agent", () => {
  const review = (more = {}) => ({
    id: "rev_1",
    author: "Grace",
    stars: 4,
    text: "Reads the ebb, too.",
    label: "1.0.0",
    helpful: 0,
    reply: "",
    replied_at: null,
    created_at: "2026-01-01T10:00:00Z",
    updated_at: "2026-01-01T10:00:00Z",
    ...more,
  });
  const published = () => {
    answer("get", `${AT}/listing`, listing({ is_public: true, version_id: "ver_1" }));
  };

  it("are answered, and a refused answer is not lost", async () => {
    published();
    refuse("put", `${AT}/reviews/rev_1/reply`, 409, "It changes too fast; try again.");
    open("/listing", {}, [review()]);
    await userEvent.click(await screen.findByRole("button", { name: "Answer" }));
    await userEvent.type(screen.getByLabelText("Your answer"), "Thank you.");
    await userEvent.click(screen.getByRole("button", { name: "Publish the answer" }));
    expect(await screen.findByText("It changes too fast; try again.")).toBeInTheDocument();
    expect(screen.getByLabelText("Your answer")).toHaveValue("Thank you.");
    const sent = take("put", "/reviews/rev_1/reply", () =>
      HttpResponse.json(review({ reply: "Thank you." })),
    );
    answer("get", REVIEWS, list([review({ reply: "Thank you." })]));
    await userEvent.click(screen.getByRole("button", { name: "Publish the answer" }));
    expect(await screen.findByText("Thank you.")).toBeInTheDocument();
    expect(sent.map((one) => one.body)).toEqual([{ text: "Thank you." }]);
    expect(screen.getByRole("button", { name: "Change the answer" })).toBeInTheDocument();
  });
});
