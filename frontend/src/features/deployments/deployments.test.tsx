import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { forgetLogs } from "@/api/logs";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, deployment, event, list, log, logLine, steps, version } from "@/testing/things";
import { routes } from "./routes";

const open = (at = "/agents/agt_1/deployments/dep_1") => renderPage(routes.inside ?? [], at);

beforeEach(() => {
  forgetLogs();
  answer("get", "/agents/agt_1", agent());
  answer("get", "/agents/agt_1/versions/ver_1", version());
  answer("get", "/agents/agt_1/versions/ver_1/report", {
    report: { state: "succeeded", steps: steps(...Array(6).fill("passed")) },
  });
  answer("get", "/agents/agt_1/versions/ver_1/logs", log([]));
  answer("get", "/agents/agt_1/deployments", list([deployment()]));
  answer("get", "/deployments/dep_1", deployment());
  answer("get", "/deployments/dep_1/events", list([event()]));
  answer("get", "/deployments/dep_1/logs", log([logLine("hello")], true));
});

const station = (name: string) => screen.findByRole("button", { name: new RegExp(`^${name}\\b`) });

describe("a deployment", () => {
  it("stands at its station, and says when it was confirmed", async () => {
    open();
    expect(await screen.findByRole("heading", { level: 1, name: /Version 1/ })).toHaveTextContent(
      "Version 1Live",
    );
    expect(await station("Live")).toHaveAccessibleName(/done/);
    expect(screen.getByText("confirmed", { exact: false })).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Open" })).toHaveAttribute(
      "href",
      "http://tide.example",
    );
  });

  it("moves from station to station by itself", async () => {
    let asked = 0;
    server.use(
      http.get("*/api/v1/deployments/dep_1", () => {
        asked += 1;
        const { live: _, ...timings } = deployment().timings;
        return HttpResponse.json(
          asked === 1
            ? deployment({ state: "verifying", timings, revision: 3 })
            : deployment({ revision: 4 }),
        );
      }),
    );
    open();
    expect(await station("Verify")).toHaveAccessibleName(/under way/);
    await waitFor(async () => expect(await station("Live")).toHaveAccessibleName(/done/), {
      timeout: 4000,
    });
  });

  it("that failed shows which station, what to change, and the lines that matter", async () => {
    answer(
      "get",
      "/deployments/dep_1",
      deployment({
        state: "failed",
        url: null,
        reasons: [{ code: "crashed", detail: "Set API_KEY.", file: null, line: null }],
        timings: {
          queued: "2026-01-01T10:00:00Z",
          verifying: "2026-01-01T10:00:01Z",
          failed: "2026-01-01T10:00:02Z",
        },
      }),
    );
    answer(
      "get",
      "/deployments/dep_1/logs",
      log([logLine("KeyError: API_KEY", { level: "error" })], true),
    );
    answer("get", "/agents/agt_1", agent({ environments: [] }));
    open();
    expect(await station("Verify")).toHaveAccessibleName(/failed/);
    const why = await screen.findByRole("region", { name: "Verify failed: what to change" });
    expect(within(why).getByText("Set API_KEY.")).toBeInTheDocument();
    expect(await within(why).findByText("KeyError: API_KEY")).toBeInTheDocument();
    expect(screen.getByRole("button", { name: "Redeploy" })).toBeInTheDocument();
    expect(screen.queryByRole("link", { name: "Open" })).not.toBeInTheDocument();
  });

  it("can be rolled back, after a word about what happens", async () => {
    const next = deployment({ id: "dep_2", state: "queued", trigger: "rollback", timings: {} });
    answer("post", "/deployments/dep_1/rollback", next, { status: 202 });
    answer("get", "/deployments/dep_2", next);
    answer("get", "/deployments/dep_2/events", list([]));
    answer("get", "/deployments/dep_2/logs", log([], true));
    const { router } = open();
    await userEvent.click(await screen.findByRole("button", { name: "Roll back" }));
    const dialog = screen.getByRole("dialog");
    expect(dialog).toHaveTextContent("Nothing is built");
    await userEvent.click(within(dialog).getByRole("button", { name: "Roll back" }));
    await waitFor(() =>
      expect(router.state.location.pathname).toBe("/agents/agt_1/deployments/dep_2"),
    );
  });

  it("sends the same key again when a press is repeated after silence", async () => {
    const keys: (string | null)[] = [];
    answer("get", "/agents/agt_1", agent({ environments: [] }));
    answer("get", "/deployments/dep_1", deployment({ state: "stopped" }));
    server.use(
      http.post("*/api/v1/agents/agt_1/deployments", ({ request }) => {
        keys.push(request.headers.get("Idempotency-Key"));
        return keys.length === 1
          ? HttpResponse.error()
          : HttpResponse.json(deployment({ state: "queued" }), { status: 202 });
      }),
    );
    open();
    const button = await screen.findByRole("button", { name: "Redeploy" });
    await userEvent.click(button);
    await waitFor(() => expect(button).not.toHaveAttribute("aria-busy"));
    await userEvent.click(button);
    await waitFor(() => expect(keys.length).toBe(2));
    expect(keys[0]).toBe(keys[1]);
  });

  it("on its way can be cancelled, and nothing else", async () => {
    answer(
      "get",
      "/deployments/dep_1",
      deployment({
        state: "releasing",
        timings: { queued: "2026-01-01T10:00:00Z", releasing: "2026-01-01T10:00:00Z" },
      }),
    );
    answer(
      "get",
      "/agents/agt_1",
      agent({
        environments: [{ name: "production", serving: null, moving: "dep_1", queued: null }],
      }),
    );
    open();
    expect(await screen.findByRole("button", { name: "Cancel" })).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: /Roll back/ })).not.toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Redeploy" })).not.toBeInTheDocument();
  });

  it("of a preview can be promoted", async () => {
    answer("get", "/deployments/dep_1", deployment({ environment: "preview" }));
    answer(
      "get",
      "/agents/agt_1",
      agent({ environments: [{ name: "preview", serving: "dep_1", moving: null, queued: null }] }),
    );
    open();
    await userEvent.click(await screen.findByRole("button", { name: "More actions" }));
    expect(screen.getByRole("menuitem", { name: "Promote to production" })).toBeInTheDocument();
  });

  it("that does not exist says so, with its trace", async () => {
    refuse("get", "/deployments/dep_1", 404, "There is no deployment with this id.");
    open();
    expect(await screen.findByText("There is no deployment with this id.")).toBeInTheDocument();
    expect(screen.getByText("trace-of-the-test")).toBeInTheDocument();
  });

  it("stays in sight when reading it again fails", async () => {
    const { router } = open();
    await station("Live");
    refuse("get", "/deployments/dep_1", 500, "This is our fault.");
    window.dispatchEvent(new Event("visibilitychange"));
    await router.navigate(".", { replace: true });
    expect(screen.getByRole("heading", { level: 1 })).toHaveTextContent("Version 1");
  });

  it("shows what changed since the one before, secrets without values", async () => {
    const old = deployment({ id: "dep_0", version_id: "ver_0" });
    answer("get", "/agents/agt_1/deployments", list([deployment(), old]));
    answer(
      "get",
      "/agents/agt_1/versions/ver_0",
      version({ id: "ver_0", number: 0, manifest: { name: "Old name" } }),
    );
    answer(
      "get",
      "/deployments/dep_1/variables",
      list([
        { name: "HARBOUR", value: "Dover", before: "Husum", secret: false, change: "changed" },
        { name: "KEY", value: null, before: null, secret: true, change: "added" },
        { name: "SAME", value: "1", before: "1", secret: false, change: "same" },
      ]),
    );
    open();
    expect(await screen.findByText("Dover")).toBeInTheDocument();
    expect(screen.getByText("Husum")).toBeInTheDocument();
    expect(screen.getByText("secret")).toBeInTheDocument();
    expect(screen.queryByText("SAME")).not.toBeInTheDocument();
    expect(await screen.findByText("name: Old name")).toBeInTheDocument();
  });
});

describe("a version before it deploys", () => {
  it("that the scan refuses shows the findings and what to do", async () => {
    const detail = "This looks like a key.";
    answer(
      "get",
      "/agents/agt_1/versions/ver_1",
      version({
        state: "rejected",
        deployment_id: null,
        reasons: [{ code: "scan_secret", detail: "Take it out.", file: "config.py", line: 2 }],
        timings: { building: "2026-01-01T10:00:01Z", rejected: "2026-01-01T10:00:02Z" },
      }),
    );
    answer("get", "/agents/agt_1/versions/ver_1/report", {
      report: {
        state: "rejected",
        steps: steps("passed", "failed"),
        scan: {
          findings: [
            {
              rule: "secret",
              severity: "critical",
              level: "block",
              file: "config.py",
              line: 2,
              detail,
              advice: "Take it out.",
            },
          ],
          tools: [],
          unavailable: [],
        },
      },
    });
    open("/agents/agt_1/versions/ver_1");
    expect(
      await screen.findByRole("region", { name: "Scan failed: what to change" }),
    ).toHaveTextContent("config.py:2");
    expect((await screen.findAllByText(detail, { exact: false })).length).toBeGreaterThan(0);
    expect(screen.getByRole("link", { name: "Upload again" })).toHaveAttribute(
      "href",
      "/agents/agt_1/deploy",
    );
  });

  it("is followed to its deployment by whoever watched it", async () => {
    let asked = 0;
    server.use(
      http.get("*/api/v1/agents/agt_1/versions/ver_1", () => {
        asked += 1;
        return HttpResponse.json(
          asked === 1 ? version({ state: "building", deployment_id: null }) : version(),
        );
      }),
    );
    const { router } = open("/agents/agt_1/versions/ver_1");
    await waitFor(
      () => expect(router.state.location.pathname).toBe("/agents/agt_1/deployments/dep_1"),
      { timeout: 4000 },
    );
  });

  it("that is held says so and can be built as it is", async () => {
    answer(
      "get",
      "/agents/agt_1/versions/ver_1",
      version({ state: "uploaded", hold: true, deployment_id: null, timings: {} }),
    );
    open("/agents/agt_1/versions/ver_1");
    expect(await screen.findByRole("button", { name: "Build it as it is" })).toBeInTheDocument();
    expect(await station("Upload")).toHaveAccessibleName(/waiting for you/);
  });
});
