import { act, fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import type { ListedAgent } from "@/api/types";
import { renderPage } from "@/testing/render";
import { AgentList } from "./agent-list";

const AGENTS: ListedAgent[] = Array.from({ length: 400 }, (_, index) => ({
  id: `agt_${index}`,
  slug: `agent-${index}`,
  name: `Agent ${index}`,
  description: "Reads the tides. ".repeat(index % 40),
  category: "other",
  runtime: "python",
  visibility: "private",
  version_count: 1,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  revision: 1,
  production: null,
  latest: null,
}));

function open() {
  renderPage(
    [{ path: "/list", element: <AgentList agents={AGENTS} onEnd={() => undefined} /> }],
    "/list",
  );
  return screen.findByRole("link", { name: "Agent 0" });
}

function scrollTo(top: number) {
  act(() => {
    Object.defineProperty(window, "scrollY", { value: top, configurable: true });
    fireEvent.scroll(window);
  });
}

const positions = () =>
  screen.getAllByRole("listitem").map((row) => Number(row.getAttribute("aria-posinset")));

afterEach(() => scrollTo(0));

describe("a long list of agents", () => {
  it("draws the rows in sight alone, in order, and says how many there are", async () => {
    await open();
    for (const top of [6800, 6970, 20_400, 340]) {
      scrollTo(top);
      await screen.findByRole("link", { name: `Agent ${Math.ceil(top / 68)}` });
      const shown = positions();
      expect(shown).toEqual([...shown].sort((one, other) => one - other));
      expect(new Set(shown).size).toBe(shown.length);
      expect(shown.length).toBeLessThan(40);
    }
    expect(screen.getAllByRole("listitem")[0]).toHaveAttribute("aria-setsize", "400");
  });

  it("uses the elements of rows again, but never moves the keyboard to another agent", async () => {
    const [first, second] = [await open(), screen.getByRole("link", { name: "Agent 1" })];
    first.focus();
    scrollTo(13_600);
    await screen.findByRole("link", { name: "Agent 205" });
    await waitFor(() => expect(first).not.toBeInTheDocument());
    expect(document.activeElement).toBe(document.body);
    expect(second).toBeInTheDocument();
    expect(second).not.toHaveAccessibleName("Agent 1");
  });
});
