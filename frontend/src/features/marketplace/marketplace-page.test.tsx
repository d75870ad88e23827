import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { card, found } from "@/testing/things";
import { routes } from "./routes";

const open = (at = "/marketplace") => renderPage(routes.open ?? [], at, { signedIn: false });

/** Answers every search, and keeps what was asked. */
function listen(reply: (asked: URLSearchParams) => object) {
  const asked: URLSearchParams[] = [];
  server.use(
    http.get("*/api/v1/marketplace/agents", ({ request }) => {
      const query = new URL(request.url).searchParams;
      asked.push(query);
      return HttpResponse.json(reply(query));
    }),
  );
  return asked;
}

describe("the marketplace", () => {
  it("shows agents, with their counts, to somebody who has not signed in", async () => {
    answer("get", "/marketplace/agents", found([card()]));
    open();
    expect(await screen.findByRole("link", { name: "Site watch" })).toHaveAttribute(
      "href",
      "/marketplace/site-watch",
    );
    expect(screen.getByText("Rated 4.5 of 5 by 2 people")).toBeInTheDocument();
    expect(screen.getByText("4 copies")).toBeInTheDocument();
    expect(screen.getByRole("status")).toHaveTextContent("1 agent");
    const group = screen.getByRole("group", { name: "Category" });
    expect(within(group).getByRole("button", { name: "Monitoring 1" })).toBeInTheDocument();
    expect(within(group).getByRole("button", { name: "Utilities 0" })).toBeInTheDocument();
  });

  it("searches once after a pause in typing, and says how many there are", async () => {
    const asked = listen((query) =>
      query.get("q")
        ? found([card({ name: "Crawler" })], { corrected: "crawler" })
        : found([card(), card({ slug: "other", name: "Other" })]),
    );
    const { router } = open();
    await screen.findByText("Other", { selector: "bdi" });
    await userEvent.type(screen.getByLabelText("Search the marketplace"), "crawlr");
    expect(await screen.findByRole("link", { name: "Crawler" })).toBeInTheDocument();
    expect(asked.map((query) => query.get("q"))).toEqual([null, "crawlr"]);
    expect(router.state.location.search).toBe("?q=crawlr");
    expect(screen.getByRole("status")).toHaveTextContent("1 agent for crawler");
  });

  it("keeps filters, order and layout in the address, and takes them from there", async () => {
    const asked = listen(() => found([card()]));
    const { router } = open("/marketplace?category=monitoring&sort=newest&view=list&q=site");
    await screen.findByRole("link", { name: "Site watch" });
    expect(screen.getByLabelText("Search the marketplace")).toHaveValue("site");
    expect(screen.getByRole("button", { name: "List" })).toHaveAttribute("aria-pressed", "true");
    expect(Object.fromEntries(asked[0] ?? [])).toMatchObject({
      q: "site",
      category: "monitoring",
      sort: "newest",
    });
    await userEvent.click(screen.getByRole("button", { name: "Python 1" }));
    await waitFor(() => expect(asked.at(-1)?.get("runtime")).toBe("python"));
    await userEvent.click(screen.getByRole("button", { name: "Grid" }));
    expect(router.state.location.search).not.toContain("view=");
    await router.navigate(-1);
    await waitFor(() =>
      expect(screen.getByRole("button", { name: "Python 1" })).toHaveAttribute(
        "aria-pressed",
        "false",
      ),
    );
  });

  it("goes on where the last page ended", async () => {
    listen((query) =>
      query.get("cursor")
        ? found([card({ slug: "second", name: "Second" })])
        : found([card()], { next_cursor: "o24" }),
    );
    open();
    await userEvent.click(await screen.findByRole("button", { name: "Show more" }));
    expect(await screen.findByRole("link", { name: "Second" })).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Site watch" })).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
  });

  it("says what to do when nothing is like that, and leads back", async () => {
    listen((query) => (query.get("q") ? found([]) : found([card()])));
    open("/marketplace?q=nonesuch&category=utilities");
    expect(await screen.findByText("No agent matches")).toBeInTheDocument();
    expect(screen.getByRole("status")).toHaveTextContent("No agent found");
    await userEvent.click(screen.getByRole("button", { name: "Show all" }));
    expect(await screen.findByRole("link", { name: "Site watch" })).toBeInTheDocument();
    expect(screen.getByLabelText("Search the marketplace")).toHaveValue("");
  });

  it("invites to publish the first one", async () => {
    answer("get", "/marketplace/agents", found([]));
    open();
    expect(await screen.findByText("Nobody has published an agent yet")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Deploy an agent" })).toBeInTheDocument();
  });

  it("shows what failed with its trace, and tries again", async () => {
    refuse("get", "/marketplace/agents", 500, "This is our fault.");
    open();
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("trace-of-the-test")).toBeInTheDocument();
    answer("get", "/marketplace/agents", found([card()]));
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("link", { name: "Site watch" })).toBeInTheDocument();
  });
});
