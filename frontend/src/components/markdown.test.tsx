import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { describe, expect, it } from "vitest";
import { Markdown } from "./markdown";
import { TooltipProvider } from "./tooltip";

const show = (text: string) =>
  render(
    <MemoryRouter>
      <TooltipProvider>
        <Markdown text={text} resolve={(address) => (address === "docs/a.md" ? "?page=a" : null)} />
      </TooltipProvider>
    </MemoryRouter>,
  );

describe("Markdown of strangers", () => {
  it("keeps no script, style, form, frame or handler of the HTML in it", () => {
    const { container } = show(
      [
        "<script>window.harmed = true</script>",
        '<img src=x onerror="window.harmed = true">',
        "<style>body { display: none }</style>",
        '<form action="https://evil.example"><input name="password"></form>',
        '<iframe src="https://evil.example"></iframe>',
        "<svg><script>1</script></svg>",
        'Still <b onclick="steal()">here</b>.',
      ].join("\n\n"),
    );
    expect(container.querySelector("script, img, style, form, input, iframe, svg, b")).toBeNull();
    expect(container).toHaveTextContent("Still here.");
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "http://plain.example",
    "//evil.example",
    "/agents",
    "&#106;avascript:alert(1)",
  ])("makes no link of %s", (address) => {
    show(`[press](<${address}>)`);
    expect(screen.getByText(/press/)).toBeInTheDocument();
    expect(screen.queryByRole("link")).toBeNull();
  });

  it("leads outside without telling where from, and to its own pages on this site", () => {
    show("[out](https://example.org) and [in](docs/a.md)");
    expect(screen.getByRole("link", { name: "out" })).toHaveAttribute(
      "rel",
      expect.stringContaining("noopener noreferrer nofollow"),
    );
    expect(screen.getByRole("link", { name: "in" })).toHaveAttribute("href", "/?page=a");
  });

  it("loads no picture of another host", () => {
    const { container } = show("![The bridge](https://example.org/bridge.png)");
    expect(container.querySelector("img")).toBeNull();
    expect(screen.getByRole("link", { name: "Picture: The bridge" })).toBeInTheDocument();
  });

  it("draws headings below the page's own, tables, tasks and code to copy", () => {
    show("# One\n\n## Two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n\n```\nrun\n```");
    expect(screen.getByRole("heading", { level: 3, name: "One" })).toBeInTheDocument();
    expect(screen.getByRole("heading", { level: 4, name: "Two" })).toBeInTheDocument();
    expect(screen.getByRole("cell", { name: "2" })).toBeInTheDocument();
    expect(screen.getByText("Done:")).toBeInTheDocument();
    expect(screen.getByText("run")).toBeInTheDocument();
  });
});
