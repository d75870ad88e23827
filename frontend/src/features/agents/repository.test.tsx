import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import type { Delivery, Preview } from "@/api/types";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, deployment, list, repository } from "@/testing/things";
import { routes } from "./routes";

const AT = "2026-01-01T10:00:00Z";
const SHA = "3f2a9c1d5e6f708192a3b4c5d6e7f80912345678";
const open = () => renderPage(routes.inside ?? [], "/agents/agt_1/repository");

const delivery = (more: Partial<Delivery> = {}): Delivery => ({
  id: "dlv_1",
  guid: "guid",
  event: "push",
  action: "",
  size: 8123,
  state: "ignored",
  code: "not_watched",
  detail: "No watched path has changed.",
  ref: "refs/heads/main",
  sha: SHA,
  pull_request: null,
  environment: "production",
  version_id: null,
  attempts: 1,
  next_at: null,
  received_at: AT,
  updated_at: AT,
  revision: 1,
  ...more,
});
const preview = (more: Partial<Preview> = {}): Preview => ({
  number: 12,
  title: "Read the ebb too",
  author: "grace",
  fork: true,
  head_repository: "grace/tides",
  head_branch: "ebb",
  head_sha: SHA,
  state: "waiting_for_approval",
  environment: "pr-12",
  url: null,
  deployment_id: null,
  deployment_state: null,
  approved_sha: "",
  approved_by: "",
  active_at: AT,
  created_at: AT,
  updated_at: AT,
  revision: 1,
  ...more,
});

beforeEach(() => {
  answer("get", "/agents/agt_1", agent());
  answer("get", "/deployments/dep_1", deployment());
  answer("get", "/me", {
    user: { id: "usr_ada", email: "ada@example.org", name: "Ada" },
    organisation: { id: "org_1", name: "Ada's", personal: true, tier: "free" },
    role: "owner",
  });
  answer("get", "/permissions", {
    roles: { owner: ["repository:connect", "preview:approve", "installation:manage"] },
    scopes: {},
    actions: [],
  });
  answer("get", "/agents/agt_1/badge", {
    badge_url: "http://localhost:8800/api/v1/badges/x",
    page_url: "http://localhost:8800/agents/agt_1",
    markdown: "[![Slipway](badge)](page)",
    deploy_url: "http://localhost:8800/deploy?repository=ada%2Ftides",
    deploy_markdown: "[![Deploy on Slipway](button)](deploy)",
  });
  answer("get", "/agents/agt_1/deliveries", list([]));
  answer("get", "/agents/agt_1/previews", list([]));
  answer("get", "/github", {
    app: true,
    items: [
      {
        installation_id: 4711,
        account: "acme",
        suspended: false,
        added_by: "usr_ada",
        added_at: AT,
      },
    ],
    next_cursor: null,
  });
});

const unconnected = () =>
  refuse("get", "/agents/agt_1/repository", 404, "It follows none.", "not_connected");

describe("an agent without a repository", () => {
  it("is connected by what people paste, and its secret is shown this once", async () => {
    unconnected();
    let sent: unknown;
    server.use(
      http.put("*/api/v1/agents/agt_1/repository", async ({ request }) => {
        sent = await request.json();
        return HttpResponse.json(repository({ secret: "whs_only_now" }));
      }),
    );
    answer("get", "/github/repositories/ada/tides/branches", {
      repository: { default_branch: "trunk" },
      items: [{ name: "trunk", sha: SHA }],
      next_cursor: null,
    });
    open();
    await userEvent.type(await screen.findByLabelText("Repository"), "tides");
    await userEvent.click(screen.getByRole("button", { name: "Connect" }));
    expect(await screen.findByText(/Name it as owner\/name/)).toBeInTheDocument();
    await userEvent.clear(screen.getByLabelText("Repository"));
    await userEvent.type(screen.getByLabelText("Repository"), "https://github.com/ada/tides.git");
    await userEvent.click(screen.getByLabelText(/Branch/));
    await waitFor(() =>
      expect(screen.getByLabelText(/Branch/)).toHaveAttribute("placeholder", "trunk"),
    );
    await userEvent.type(screen.getByLabelText(/Watched paths/), "src/**{Enter}!**/*.md");
    await userEvent.click(screen.getByLabelText("A preview for each pull request"));
    await userEvent.click(screen.getByRole("button", { name: "Connect" }));
    expect(await screen.findByText("whs_only_now")).toBeInTheDocument();
    expect(sent).toEqual({
      repository: "ada/tides",
      installation_id: null,
      branch: null,
      root: "",
      watch: ["src/**", "!**/*.md"],
      auto_deploy: true,
      wait_for_checks: false,
      previews: "on",
    });
  });

  it("is connected through the app where it is installed, by repositories to choose from", async () => {
    unconnected();
    answer("get", "/github/installations/4711/repositories", {
      items: [
        {
          id: 1,
          full_name: "acme/agents",
          default_branch: "main",
          private: true,
          archived: false,
          size: 1,
        },
      ],
      next_cursor: null,
    });
    open();
    await screen.findByRole("option", { name: "the app, at acme" });
    await userEvent.selectOptions(screen.getByLabelText("Through"), "the app, at acme");
    await waitFor(() =>
      expect(document.querySelector('option[value="acme/agents"]')).not.toBeNull(),
    );
  });

  it("says at the way it is connected through that this installation is not there any more", async () => {
    unconnected();
    const fault = {
      field: "installation_id",
      detail: "The app is not installed at acme any more.",
    };
    refuse("put", "/agents/agt_1/repository", 422, "It cannot be connected so.", "gone", [fault]);
    answer("get", "/github/installations/4711/repositories", list([]));
    open();
    await screen.findByRole("option", { name: "the app, at acme" });
    const through = screen.getByLabelText("Through");
    await userEvent.selectOptions(through, "the app, at acme");
    await userEvent.type(screen.getByLabelText("Repository"), "acme/tides");
    await userEvent.click(screen.getByRole("button", { name: "Connect" }));
    await waitFor(() => expect(through).toHaveAttribute("aria-invalid", "true"));
    expect(through).toHaveAccessibleDescription(/not installed at acme any more/);
    expect(screen.getByLabelText("Repository")).toHaveValue("acme/tides");
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("keeps what was typed when it is refused", async () => {
    unconnected();
    refuse("put", "/agents/agt_1/repository", 409, "This repository is not public.");
    open();
    await userEvent.type(await screen.findByLabelText("Repository"), "ada/secret");
    await userEvent.click(screen.getByRole("button", { name: "Connect" }));
    expect(await screen.findByText("This repository is not public.")).toBeInTheDocument();
    expect(screen.getByLabelText("Repository")).toHaveValue("ada/secret");
  });
});

describe("an agent with a repository", () => {
  beforeEach(() => answer("get", "/agents/agt_1/repository", repository()));

  it("says in the form what is wrong with the installation, though it is chosen no more", async () => {
    const fault = { field: "installation_id", detail: "The app is not installed there any more." };
    refuse("put", "/agents/agt_1/repository", 422, "It cannot be connected so.", "gone", [fault]);
    open();
    await userEvent.click(await screen.findByLabelText("Wait for the commit's other checks"));
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByRole("alert")).toHaveTextContent(/not installed there any more/);
  });

  it("says at the watched paths which of them is none", async () => {
    const fault = { field: "watch.1", detail: "This may not be empty." };
    refuse("put", "/agents/agt_1/repository", 422, "Some fields are wrong.", "invalid", [fault]);
    open();
    const watched = await screen.findByLabelText(/Watched paths/);
    await userEvent.type(watched, "src/**{Enter}!");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(watched).toHaveAccessibleDescription(/may not be empty/));
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("shows deliveries with size, outcome and reason, and looks at one again", async () => {
    answer("get", "/agents/agt_1/deliveries", list([delivery()]));
    let asked = 0;
    server.use(
      http.post("*/api/v1/agents/agt_1/deliveries/dlv_1/redeliver", () => {
        asked += 1;
        return HttpResponse.json(delivery({ state: "received" }), { status: 202 });
      }),
    );
    open();
    expect(await screen.findByText("No watched path has changed.")).toBeInTheDocument();
    expect(screen.getByText("Ignored")).toBeInTheDocument();
    expect(screen.getByText("not_watched")).toBeInTheDocument();
    expect(screen.getByText("8.1 kB")).toBeInTheDocument();
    await userEvent.click(
      await screen.findByRole("button", { name: "Process again: push 3f2a9c1" }),
    );
    await waitFor(() => expect(asked).toBe(1));
  });

  it("lets one commit of a fork run after a question that names it", async () => {
    answer("get", "/agents/agt_1/previews", list([preview()]));
    let sent: unknown;
    server.use(
      http.post("*/api/v1/agents/agt_1/previews/12/approve", async ({ request }) => {
        sent = await request.json();
        return HttpResponse.json(preview({ state: "active" }), { status: 202 });
      }),
    );
    open();
    await userEvent.click(await screen.findByRole("button", { name: "Approve 3f2a9c1" }));
    const dialog = await screen.findByRole("dialog", { name: "Build 3f2a9c1 of #12?" });
    await userEvent.click(within(dialog).getByRole("button", { name: "Approve and build" }));
    await waitFor(() => expect(sent).toEqual({ sha: SHA }));
  });

  it("is disconnected after a question", async () => {
    server.use(
      http.delete(
        "*/api/v1/agents/agt_1/repository",
        () => new HttpResponse(null, { status: 204 }),
      ),
    );
    open();
    await userEvent.click(await screen.findByRole("button", { name: "Disconnect" }));
    const dialog = await screen.findByRole("dialog");
    await userEvent.click(within(dialog).getByRole("button", { name: "Disconnect" }));
    expect(await screen.findByText("Connect a repository")).toBeInTheDocument();
  });

  it("says why GitHub tells nothing any more", async () => {
    answer(
      "get",
      "/agents/agt_1/repository",
      repository({ state: "gone", reason: "The repository was deleted." }),
    );
    open();
    expect(await screen.findByText(/The repository was deleted\./)).toBeInTheDocument();
  });

  it("offers a badge and a button for a README", async () => {
    open();
    expect(await screen.findByText("[![Slipway](badge)](page)")).toBeInTheDocument();
    expect(screen.getByText("[![Deploy on Slipway](button)](deploy)")).toBeInTheDocument();
    expect(screen.getByAltText("How the agent is now")).toHaveAttribute("src", "/api/v1/badges/x");
  });
});
