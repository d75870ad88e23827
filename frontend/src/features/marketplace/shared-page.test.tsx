import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { afterEach, describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, card, found, offer } from "@/testing/things";
import { routes } from "./routes";

const ID = "agt_1";
const SHARED = `/marketplace/shared/${ID}`;
const shared = (more = {}) => ({ ...offer(), offer_id: ID, shown_by: "person", ...more });

function open(at: string, options = {}) {
  const elsewhere = [
    { path: "agents/*", element: "There" },
    { path: "sign-in", element: "Sign in here" },
  ];
  return renderPage([...(routes.open ?? []), ...(routes.inside ?? []), ...elsewhere], at, options);
}

afterEach(() => sessionStorage.clear());

describe("what is not public", () => {
  it("stands above the public results, with how one comes to see it", async () => {
    answer("get", "/marketplace/agents", found([card()]));
    answer("get", "/marketplace/shared", {
      ...found([]),
      items: [{ ...card({ name: "Tide secrets" }), offer_id: ID, shown_by: "member" }],
    });
    open("/marketplace");
    const link = await screen.findByRole("link", { name: "Tide secrets" });
    expect(link).toHaveAttribute("href", SHARED);
    expect(screen.getByText("your organisation's")).toBeInTheDocument();
    expect(await screen.findByRole("status")).toHaveTextContent("1 agent");
  });

  it("leaves the public agents alone when it cannot be read, and says so", async () => {
    answer("get", "/marketplace/agents", found([card()]));
    refuse("get", "/marketplace/shared", 500, "This is our fault.");
    open("/marketplace");
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Site watch" })).toBeInTheDocument();
  });

  it("tells of a fault once, when the public ones cannot be read either, and asks for both again", async () => {
    refuse("get", "/marketplace/agents", 500, "This is our fault.");
    refuse("get", "/marketplace/shared", 500, "This is our fault.");
    open("/marketplace");
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("trace-of-the-test")).toBeInTheDocument();
    answer("get", "/marketplace/agents", found([card()]));
    answer("get", "/marketplace/shared", {
      ...found([]),
      items: [{ ...card({ name: "Tide secrets" }), offer_id: ID, shown_by: "member" }],
    });
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("link", { name: "Site watch" })).toBeInTheDocument();
    expect(await screen.findByRole("link", { name: "Tide secrets" })).toBeInTheDocument();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("is not asked for by who has not signed in", async () => {
    answer("get", "/marketplace/agents", found([card()]));
    let asked = 0;
    server.use(
      http.get("*/api/v1/marketplace/shared", () => {
        asked += 1;
        return HttpResponse.json(found([]));
      }),
    );
    open("/marketplace", { signedIn: false });
    await screen.findByRole("link", { name: "Site watch" });
    expect(asked).toBe(0);
  });

  it("is read, says with whom it is shared, and is copied", async () => {
    answer("get", SHARED, shared());
    const sent: unknown[] = [];
    server.use(
      http.post("*/api/v1/marketplace/shared/copies", async ({ request }) => {
        sent.push(await request.json());
        const made = { agent: agent(), origin: null, version_id: "ver_1", deployment_id: "dep_1" };
        return HttpResponse.json(made, { status: 201 });
      }),
    );
    open(SHARED);
    expect(await screen.findByText(/^Shared with you; it is not in the public/)).toBeVisible();
    await userEvent.click(screen.getByRole("link", { name: "Deploy my own copy" }));
    await userEvent.type(await screen.findByLabelText(/WATCH_URLS/), "https://example.org");
    await userEvent.click(screen.getByRole("button", { name: "Deploy my copy" }));
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({
      offer_id: ID,
      variables: { WATCH_URLS: "https://example.org" },
    });
  });

  it("is declined by who does not want to see it", async () => {
    answer("get", SHARED, shared());
    answer("get", "/marketplace/agents", found([]));
    answer("get", "/marketplace/shared", found([]));
    let declined = 0;
    server.use(
      http.delete(`*/api/v1${SHARED}`, () => {
        declined += 1;
        return new HttpResponse(null, { status: 204 });
      }),
    );
    const { router } = open(SHARED);
    await userEvent.click(await screen.findByRole("button", { name: "Stop showing me this" }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/marketplace"));
    expect(declined).toBe(1);
  });

  it("says that a share has ended", async () => {
    refuse("get", SHARED, 404, "No such agent is shared with you.", "share_unknown");
    open(SHARED);
    expect(await screen.findByText("Nothing is shared under this address")).toBeInTheDocument();
  });
});

describe("a secret link", () => {
  it("is opened without signing in, and keeps its secret out of addresses", async () => {
    const sent: unknown[] = [];
    server.use(
      http.post("*/api/v1/marketplace/shared/preview", async ({ request }) => {
        sent.push(await request.json());
        return HttpResponse.json(shared({ shown_by: "link" }));
      }),
    );
    open("/shared#token=s3cret", { signedIn: false });
    expect(await screen.findByText(/whoever holds this link/)).toBeInTheDocument();
    expect(sent).toEqual([{ token: "s3cret" }]);
    const copy = screen.getByRole("link", { name: "Deploy my own copy" });
    expect(copy).toHaveAttribute("href", "/shared/copy");
  });

  it("lets one search the documentation, with the secret in the body", async () => {
    const docs = [{ path: "docs/tides.md", title: "Tides" }];
    answer("post", "/marketplace/shared/preview", shared({ shown_by: "link", docs }));
    const sent: unknown[] = [];
    server.use(
      http.post("*/api/v1/marketplace/shared/pages", async ({ request }) => {
        sent.push(await request.json());
        const place = { ...docs[0], heading: "Neap", excerpt: "when the moon is half" };
        return HttpResponse.json({ items: [place] });
      }),
    );
    open("/shared#token=s3cret", { signedIn: false });
    await userEvent.type(await screen.findByLabelText("Search the documentation"), "neap");
    expect(await screen.findByRole("link", { name: "Tides: Neap" })).toBeInTheDocument();
    expect(sent.at(-1)).toEqual({ token: "s3cret", q: "neap" });
  });

  it("leads on to a copy with the secret that the tab remembers", async () => {
    sessionStorage.setItem("slipway.share", "s3cret");
    answer("post", "/marketplace/shared/preview", shared({ shown_by: "link", inputs: [] }));
    const sent: unknown[] = [];
    server.use(
      http.post("*/api/v1/marketplace/shared/copies", async ({ request }) => {
        sent.push(await request.json());
        const made = { agent: agent(), origin: null, version_id: "ver_1", deployment_id: "dep_1" };
        return HttpResponse.json(made, { status: 201 });
      }),
    );
    open("/shared/copy");
    await userEvent.click(await screen.findByRole("button", { name: "Deploy my copy" }));
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({ token: "s3cret" });
  });

  it("says that a part of it is missing", async () => {
    open("/shared", { signedIn: false });
    expect(await screen.findByText("A part of the link is missing")).toBeInTheDocument();
  });
});

describe("the documentation", () => {
  it("is searched, and leads to the page", async () => {
    const docs = [{ path: "reference", title: "Reference" }];
    answer("get", "/marketplace/agents/site-watch", offer({ docs }));
    answer("get", "/marketplace/agents/site-watch/reviews", { items: [], next_cursor: null });
    answer("get", "/marketplace/agents/site-watch/pages", {
      items: [
        { path: "reference", title: "Reference", heading: "Variables", excerpt: "WATCH_URLS …" },
      ],
    });
    answer("get", "/marketplace/agents/site-watch/docs", {
      path: "reference",
      title: "Reference",
      markdown: "All of it.",
    });
    server.use(
      http.post("*/api/v1/marketplace/agents/site-watch/views", () => new HttpResponse(null)),
    );
    open("/marketplace/site-watch", { signedIn: false });
    await userEvent.type(await screen.findByLabelText("Search the documentation"), "variabels");
    await userEvent.click(await screen.findByRole("link", { name: "Reference: Variables" }));
    expect(await screen.findByText("All of it.")).toBeInTheDocument();
  });

  it("is that of an older version, when one asks for it", async () => {
    const version = { ...offer().version, version_id: "ver_2", label: "2.0.0" };
    const older = offer().version;
    answer("get", "/marketplace/agents/site-watch", offer({ version, versions: [version, older] }));
    answer("get", "/marketplace/agents/site-watch/reviews", { items: [], next_cursor: null });
    const asked: string[] = [];
    server.use(
      http.post("*/api/v1/marketplace/agents/site-watch/views", () => new HttpResponse(null)),
      http.get("*/api/v1/marketplace/agents/site-watch/pages", ({ request }) => {
        asked.push(new URL(request.url).search);
        const page = { path: "docs/old.md", title: "Old ways", heading: "", excerpt: "" };
        return HttpResponse.json({ items: [page] });
      }),
      http.get("*/api/v1/marketplace/agents/site-watch/docs", ({ request }) => {
        asked.push(new URL(request.url).search);
        return HttpResponse.json({ path: "readme", title: "README", markdown: "As it was." });
      }),
    );
    open("/marketplace/site-watch", { signedIn: false });
    await userEvent.click(await screen.findByRole("link", { name: /its documentation/ }));
    expect(await screen.findByText("As it was.")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Old ways" })).toHaveAttribute(
      "href",
      "/marketplace/site-watch?page=docs%2Fold.md&version=ver_1",
    );
    expect(asked.every((search) => search.includes("version_id=ver_1"))).toBe(true);
    await userEvent.click(screen.getByRole("link", { name: "Back to 2.0.0" }));
    expect(await screen.findByRole("heading", { name: "Reads" })).toBeInTheDocument();
  });

  it("says when it cannot be searched", async () => {
    answer("get", "/marketplace/agents/site-watch", offer());
    answer("get", "/marketplace/agents/site-watch/reviews", { items: [], next_cursor: null });
    refuse("get", "/marketplace/agents/site-watch/pages", 500, "This is our fault.");
    server.use(
      http.post("*/api/v1/marketplace/agents/site-watch/views", () => new HttpResponse(null)),
    );
    open("/marketplace/site-watch", { signedIn: false });
    await userEvent.type(await screen.findByLabelText("Search the documentation"), "variabels");
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
  });

  it("shows the author's pictures", async () => {
    const screenshots = [{ path: "media/a/b.webp", width: 800, height: 500, alt: "The map" }];
    answer(
      "get",
      "/marketplace/agents/site-watch",
      offer({ picture: "media/a/i.png", screenshots }),
    );
    answer("get", "/marketplace/agents/site-watch/reviews", { items: [], next_cursor: null });
    server.use(
      http.post("*/api/v1/marketplace/agents/site-watch/views", () => new HttpResponse(null)),
    );
    open("/marketplace/site-watch", { signedIn: false });
    const shot = await screen.findByRole("img", { name: "The map" });
    expect(shot).toHaveAttribute("src", "/media/a/b.webp");
    await userEvent.click(shot);
    expect(await screen.findByRole("dialog", { name: "The map" })).toBeInTheDocument();
  });
});
