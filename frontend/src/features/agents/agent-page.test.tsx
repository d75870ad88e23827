import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { forgetLogs } from "@/api/logs";
import { Toasts } from "@/components/toast";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, deployment, event, list, log, logLine, version } from "@/testing/things";
import { routes } from "./routes";

const VARIABLES = "/agents/agt_1/environments/production/variables";
const open = (part = "") =>
  renderPage(
    [...(routes.inside ?? []), { path: "*", element: <Toasts /> }],
    `/agents/agt_1${part}`,
  );

beforeEach(() => {
  forgetLogs();
  answer("get", "/agents/agt_1", agent());
  answer("get", "/agents/agt_1/versions", list([version()]));
  answer("get", "/agents/agt_1/versions/ver_1", version());
  answer("get", "/agents/agt_1/deployments", list([deployment()]));
  answer("get", "/deployments/dep_1", deployment());
  answer(
    "get",
    "/deployments/dep_1/events",
    list([event({ event: "verified", at: new Date().toISOString() })]),
  );
  answer("get", "/deployments/dep_1/metrics", { series: {} });
  answer("get", "/deployments/dep_1/logs", log([logLine("hello from the tide")], true));
  answer("get", VARIABLES, { items: [], revision: 0, next_cursor: null });
});

describe("an agent", () => {
  it("shows its address, how it stands and what happened", async () => {
    open();
    await screen.findByRole("heading", { level: 1, name: /Tide Reader/ });
    expect(await screen.findByRole("link", { name: "tide.example" })).toBeInTheDocument();
    expect(screen.getAllByText("Live").length).toBeGreaterThan(0);
    expect(await screen.findByText("deployed after its build")).toBeInTheDocument();
  });

  it("of which nothing runs says what to do", async () => {
    answer("get", "/agents/agt_1", agent({ environments: [] }));
    answer("get", "/agents/agt_1/versions", list([]));
    open();
    expect(await screen.findByText("Nothing deployed yet")).toBeInTheDocument();
  });

  it("that crashed says why", async () => {
    answer(
      "get",
      "/deployments/dep_1",
      deployment({
        state: "crashed",
        reasons: [{ code: "crashed", detail: "KeyError: 'API_KEY'", file: null, line: null }],
      }),
    );
    open();
    expect(await screen.findByText("KeyError: 'API_KEY'")).toBeInTheDocument();
  });

  it("that crashed says why once, and not in the list of its deployments again", async () => {
    const crashed = deployment({
      state: "crashed",
      reasons: [
        { code: "crashed", detail: "It crashed.\nIts last output:\nboom", file: null, line: null },
      ],
    });
    answer("get", "/deployments/dep_1", crashed);
    answer("get", "/agents/agt_1/deployments", list([crashed]));
    open();
    expect(await screen.findByText("Version 1 has crashed")).toBeInTheDocument();
    expect(await screen.findByText("deployed after its build")).toBeInTheDocument();
    expect(screen.getAllByText(/It crashed\./)).toHaveLength(1);
    expect(screen.getByRole("link", { name: "See what happened" })).toHaveAttribute(
      "href",
      "/agents/agt_1/deployments/dep_1",
    );
  });

  it("whose first deployment failed says so once, with why", async () => {
    answer(
      "get",
      "/agents/agt_1",
      agent({
        environments: [{ name: "production", serving: null, moving: null, queued: null }],
      }),
    );
    const why = { code: "host_failed", detail: "GET / must answer.", file: null, line: null };
    answer(
      "get",
      "/agents/agt_1/deployments",
      list([deployment({ state: "failed", reasons: [why] })]),
    );
    open();
    expect(
      await screen.findByText("Nothing serves here: the deployment of version 1 failed"),
    ).toBeInTheDocument();
    expect(screen.getAllByText("GET / must answer.")).toHaveLength(1);
    expect(screen.queryByText("Nothing serves here now.")).not.toBeInTheDocument();
  });

  it("whose first build failed says so, with why", async () => {
    answer("get", "/agents/agt_1", agent({ environments: [] }));
    const why = { code: "module_missing", detail: "Add httpx.", file: "main.py", line: 2 };
    answer(
      "get",
      "/agents/agt_1/versions",
      list([version({ state: "failed", deployment_id: null, reasons: [why] })]),
    );
    open();
    expect(await screen.findByText("The build of version 1 failed")).toBeInTheDocument();
    expect(screen.getByText("Add httpx.")).toBeInTheDocument();
    expect(screen.getByText("main.py:2")).toBeInTheDocument();
  });

  it("that was deleted says so and leads back", async () => {
    refuse("get", "/agents/agt_1", 404, "There is no agent with this id.");
    open();
    expect(await screen.findByText("There is no agent with this id.")).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "All agents" })).toBeInTheDocument();
  });

  it("may be called anything, in any script", async () => {
    answer("get", "/agents/agt_1", agent({ name: "‮مد و جزر 🌊 <b>x</b>" }));
    open();
    await screen.findByRole("heading", { level: 1, name: /مد و جزر 🌊 <b>x<.b>/ });
  });

  it.each([
    ["/deployments", "/agents/agt_1/deployments"],
    ["/versions", "/agents/agt_1/versions"],
    ["/variables", VARIABLES],
  ])("%s that cannot be read says why, and tries again", async (part, path) => {
    refuse("get", path, 500, "This is our fault.");
    open(part);
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("trace-of-the-test")).toBeInTheDocument();
    answer("get", path, { items: [], revision: 0, next_cursor: null });
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(
      await screen.findByText(/^(Nothing deployed|No versions|No variables) yet$/),
    ).toBeInTheDocument();
  });

  it("shows metrics, and the same as a table", async () => {
    const now = deployment({ updated_at: new Date().toISOString() });
    answer("get", "/agents/agt_1/deployments", list([now]));
    const at = Math.floor(Date.now() / 1000) - 60;
    answer("get", "/deployments/dep_1/metrics", {
      series: {
        cpu: [{ at, value: 0.25 }],
        requests_200: [{ at, value: 7 }],
        requests_503: [{ at, value: 2 }],
      },
    });
    open("/metrics");
    expect(
      await screen.findByRole("img", { name: "CPU: CPU now 25 %, at most 25 %" }),
    ).toBeInTheDocument();
    expect((await screen.findAllByText("Version 1 live")).length).toBe(3);
    await userEvent.click(screen.getByRole("button", { name: "Requests as a table" }));
    const table = screen.getByRole("table", { name: "Requests" });
    expect(
      within(table)
        .getAllByRole("cell")
        .map((cell) => cell.textContent),
    ).toEqual(["7", "2"]);
  });

  it("says nothing of how it runs that could not be read", async () => {
    refuse("get", "/agents/agt_1/versions/ver_1", 500, "This is our fault.");
    open("/settings");
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.queryByText("Instances")).toBeNull();
    answer("get", "/agents/agt_1/versions/ver_1", version());
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("Instances")).toBeInTheDocument();
  });

  it("whose log could not be read does not say that it is followed", async () => {
    refuse("get", "/deployments/dep_1/logs", 500, "This is our fault.");
    open("/logs");
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("Could not be read")).toBeInTheDocument();
  });

  it("asks for its name before it is deleted for good", async () => {
    let deleted = false;
    server.use(
      http.delete("*/api/v1/agents/agt_1", () => {
        deleted = true;
        return new HttpResponse(null, { status: 204 });
      }),
    );
    answer("get", "/agents", list([]));
    const { router } = open("/settings");
    await userEvent.click(await screen.findByRole("button", { name: "Delete agent" }));
    const sure = within(screen.getByRole("dialog")).getByRole("button", { name: "Delete it" });
    expect(sure).toBeDisabled();
    await userEvent.type(screen.getByLabelText(/to confirm/), "tide-reader");
    await userEvent.click(sure);
    await waitFor(() => expect(router.state.location.pathname).toBe("/agents"));
    expect(deleted).toBe(true);
  });

  it("edited by two people shows both sides, and overwrites only when told", async () => {
    const sent: (string | null)[] = [];
    server.use(
      http.patch("*/api/v1/agents/agt_1", async ({ request }) => {
        sent.push(request.headers.get("If-Match"));
        return sent.length === 1
          ? HttpResponse.json(
              { title: "Changed", status: 412, code: "precondition_failed", detail: "x" },
              { status: 412 },
            )
          : HttpResponse.json(agent({ name: "Mine", revision: 3 }));
      }),
    );
    open("/settings");
    const name = await screen.findByLabelText("Name");
    await userEvent.clear(name);
    await userEvent.type(name, "Mine");
    answer("get", "/agents/agt_1", agent({ name: "Theirs", revision: 2 }));
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    const both = await screen.findByRole("alert", {
      name: "Somebody saved while you were editing",
    });
    expect(within(both).getByText("Mine")).toBeInTheDocument();
    expect(within(both).getByText("Theirs", { selector: "td" })).toBeInTheDocument();
    expect(name).toHaveValue("Mine");
    await userEvent.click(within(both).getByRole("button", { name: "Save mine" }));
    await waitFor(() => expect(sent).toEqual(['"1"', '"2"']));
  });
});

describe("the variables", () => {
  const fill = async (name: string, value: string) => {
    await userEvent.click(screen.getByRole("button", { name: "Add" }));
    await userEvent.type(screen.getAllByLabelText("Name").at(-1) as HTMLElement, name);
    await userEvent.type(screen.getByLabelText(`Value of ${name}`), value);
  };

  it("are saved over what was read, and a stored secret keeps its value", async () => {
    answer("get", VARIABLES, {
      items: [{ name: "KEY", value: null, secret: true }],
      revision: 4,
      next_cursor: null,
    });
    let sent: unknown;
    server.use(
      http.put(`*/api/v1${VARIABLES}`, async ({ request }) => {
        sent = [request.headers.get("If-Match"), await request.json()];
        return HttpResponse.json({ items: [], revision: 5, next_cursor: null });
      }),
    );
    open("/variables");
    await screen.findByDisplayValue("KEY");
    await fill("HARBOUR", "Husum");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() =>
      expect(sent).toEqual([
        '"4"',
        {
          items: [
            { name: "KEY", value: null, secret: true },
            { name: "HARBOUR", value: "Husum", secret: false },
          ],
        },
      ]),
    );
    expect(await screen.findByText("Everything is saved.")).toBeInTheDocument();
  });

  it("are taken over from the lines of a .env file, secrets by their names", async () => {
    open("/variables");
    await userEvent.click(await screen.findByRole("button", { name: "Paste a .env" }));
    await userEvent.click(screen.getByLabelText("Its lines"));
    await userEvent.paste("# mine\nexport A='x y'\nAPI_KEY=k\n");
    await userEvent.click(screen.getByRole("button", { name: "Fill in" }));
    expect(screen.getByLabelText("Value of A")).toHaveValue("x y");
    expect(screen.getByRole("button", { name: "API_KEY is secret" })).toHaveAttribute(
      "aria-pressed",
      "true",
    );
    expect(screen.getByText("2 changes are not saved.")).toBeInTheDocument();
  });

  it("edited in two tabs show both sides and lose nothing", async () => {
    const sent: unknown[] = [];
    answer("get", VARIABLES, {
      items: [{ name: "A", value: "1", secret: false }],
      revision: 1,
      next_cursor: null,
    });
    server.use(
      http.put(`*/api/v1${VARIABLES}`, async ({ request }) => {
        sent.push([
          request.headers.get("If-Match"),
          ((await request.json()) as { items: unknown }).items,
        ]);
        return sent.length === 1
          ? HttpResponse.json(
              { title: "Changed", status: 412, code: "precondition_failed", detail: "x" },
              { status: 412 },
            )
          : HttpResponse.json({ items: [], revision: 3, next_cursor: null });
      }),
    );
    open("/variables");
    const value = await screen.findByLabelText("Value of A");
    await userEvent.clear(value);
    await userEvent.type(value, "mine");
    answer("get", VARIABLES, {
      items: [
        { name: "A", value: "theirs", secret: false },
        { name: "B", value: "new", secret: false },
      ],
      revision: 2,
      next_cursor: null,
    });
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    const dialog = await screen.findByRole("dialog", {
      name: "Somebody saved while you were editing",
    });
    expect(within(dialog).getByText("theirs")).toBeInTheDocument();
    expect(within(dialog).getByText("mine")).toBeInTheDocument();
    await userEvent.click(within(dialog).getByRole("button", { name: "Save it put together" }));
    await waitFor(() =>
      expect(sent[1]).toEqual([
        '"2"',
        [
          { name: "A", value: "mine", secret: false },
          { name: "B", value: "new", secret: false },
        ],
      ]),
    );
  });

  it("that the API refuses keep what was typed, with the fault at its field", async () => {
    answer(
      "put",
      VARIABLES,
      {
        title: "Invalid",
        status: 422,
        code: "invalid",
        detail: "Some variables cannot be stored.",
        errors: [{ field: "items[0].value", detail: "A value cannot contain that." }],
      },
      { status: 422 },
    );
    open("/variables");
    await screen.findByText("No variables yet");
    await fill("A", "bad");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("A value cannot contain that.")).toBeInTheDocument();
    expect(screen.getByLabelText("Value of A")).toHaveValue("bad");
  });

  it("keep what was typed when nobody is signed in any more", async () => {
    refuse("put", VARIABLES, 401, "Sign in first.", "unauthenticated");
    refuse("post", "/auth/refresh", 401, "Sign in first.", "unauthenticated");
    open("/variables");
    await screen.findByText("No variables yet");
    await fill("A", "typed");
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    await screen.findByText(/session has ended/i);
    expect(screen.getByLabelText("Value of A")).toHaveValue("typed");
  });

  it("are not left behind without a question", async () => {
    const { router } = open("/variables");
    await screen.findByText("No variables yet");
    await fill("A", "x");
    await userEvent.click(screen.getByRole("link", { name: "Settings" }));
    expect(
      await screen.findByRole("dialog", { name: "Leave without saving?" }),
    ).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
    expect(router.state.location.pathname).toBe("/agents/agt_1/variables");
    expect(screen.getByLabelText("Value of A")).toHaveValue("x");
  });

  it("the manifest asks for are offered with what they are for", async () => {
    answer(
      "get",
      "/agents/agt_1/versions",
      list([
        version({
          manifest: {
            env: [
              { name: "TIDE_KEY", description: "Key of the service", required: true, secret: true },
            ],
          },
        }),
      ]),
    );
    open("/variables");
    await userEvent.click(await screen.findByRole("button", { name: "Add TIDE_KEY" }));
    expect(screen.getByRole("button", { name: "TIDE_KEY is secret" })).toBeInTheDocument();
    expect(screen.getByLabelText("Value of TIDE_KEY")).toHaveFocus();
  });
});
