import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, refuse } from "@/testing/server";
import { deployment, version } from "@/testing/things";
import { routes } from "./routes";

const AGENT = {
  id: "agt_1",
  slug: "gist",
  name: "Gist",
  description: "",
  category: "other",
  runtime: "python",
  visibility: "private",
  version_count: 0,
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

  it("says of one that nothing runs of what came last, counts it, and leads there", async () => {
    const latest = {
      version_id: "ver_9",
      version_number: 1,
      version_state: "failed",
      deployment_id: null,
      deployment_state: null,
    };
    answer("get", "/agents", {
      items: [
        { ...AGENT, version_count: 1, latest },
        {
          ...AGENT,
          id: "agt_2",
          name: "Tide",
          version_count: 1,
          latest: {
            ...latest,
            version_state: "ready",
            deployment_id: "dep_9",
            deployment_state: "failed",
          },
        },
        { ...AGENT, id: "agt_3", name: "Idle", latest: { ...latest, version_state: "ready" } },
      ],
      next_cursor: null,
    });
    open();
    expect(await screen.findByRole("link", { name: "Build failed of Gist" })).toHaveAttribute(
      "href",
      "/agents/agt_1/versions/ver_9",
    );
    expect(screen.getByRole("link", { name: "Deployment failed of Tide" })).toHaveAttribute(
      "href",
      "/agents/agt_2/deployments/dep_9",
    );
    await userEvent.click(screen.getByRole("button", { name: "Need a look 2" }));
    expect(screen.queryByRole("link", { name: "Idle" })).not.toBeInTheDocument();
    expect(screen.getByText("2 of 3")).toBeInTheDocument();
  });

  it("follows a first build until it has ended", async () => {
    const latest = {
      version_id: "ver_9",
      version_number: 1,
      version_state: "building",
      deployment_id: null,
      deployment_state: null,
    };
    answer("get", "/agents", { items: [{ ...AGENT, latest }], next_cursor: null });
    answer("get", "/agents/agt_1/versions/ver_9", version({ id: "ver_9", state: "rejected" }));
    open();
    expect(await screen.findByRole("link", { name: "Source rejected of Gist" })).toHaveAttribute(
      "href",
      "/agents/agt_1/versions/ver_9",
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

describe("the deployments of all agents", () => {
  const show = () => renderPage(routes.inside ?? [], "/deployments");
  const gist = { id: "agt_1", name: "Gist", slug: "gist" };

  it("names the agent of each, also of those that are gone, and narrows to a state", async () => {
    answer("get", "/deployments", {
      items: [
        { ...deployment({ id: "dep_2", state: "failed" }), agent: null },
        { ...deployment({ id: "dep_1", state: "live", version_number: 7 }), agent: gist },
      ],
      next_cursor: null,
    });
    show();
    expect(await screen.findByRole("link", { name: "Gist, version 7" })).toHaveAttribute(
      "href",
      "/agents/agt_1/deployments/dep_1",
    );
    expect(screen.getByText(/A deleted agent/)).toBeInTheDocument();
    await userEvent.selectOptions(screen.getByLabelText("State"), "Serving");
    expect(screen.queryByText(/A deleted agent/)).not.toBeInTheDocument();
  });

  it("says what to do while there is none", async () => {
    answer("get", "/deployments", { items: [], next_cursor: null });
    show();
    expect(await screen.findByText("Nothing deployed yet")).toBeInTheDocument();
  });
});
