import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, refuse } from "@/testing/server";
import { routes } from "./routes";

const AGENT = {
  id: "agt_1",
  slug: "gist",
  name: "Gist",
  description: "",
  category: "other",
  runtime: "python",
  visibility: "private",
  version_count: 1,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  revision: 1,
  production: null,
};

const open = () => renderPage(routes.inside ?? [], "/agents");

describe("the dashboard", () => {
  it("lists the organisation's agents", async () => {
    answer("get", "/agents", { items: [AGENT], next_cursor: null });
    open();
    expect(await screen.findByRole("link", { name: "Gist" })).toHaveAttribute(
      "href",
      "/agents/agt_1",
    );
  });

  it("says what to do while there is none", async () => {
    answer("get", "/agents", { items: [], next_cursor: null });
    open();
    expect(await screen.findByText("No agents yet")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Deploy the first one" })).toHaveAttribute(
      "href",
      "/deploy",
    );
  });

  it("shows what failed with its trace, and tries again", async () => {
    refuse("get", "/agents", 500, "This is our fault.");
    open();
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("trace-of-the-test")).toBeInTheDocument();
    answer("get", "/agents", { items: [AGENT], next_cursor: null });
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("link", { name: "Gist" })).toBeInTheDocument();
  });
});
