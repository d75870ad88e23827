import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import type { Operations, Orphan, Receipt, Repair, ReportCase, StuckWork } from "@/api/types";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { list } from "@/testing/things";
import { routes } from "./routes";

const AT = "2026-01-01T10:00:00Z";
const FAR = "2096-01-01T10:00:00Z";

const seen = (more: Partial<Operations> = {}): Operations => ({
  budget: { limit: 10_000, left: 7_500, resets_at: FAR, paused_until: null, heard_at: AT },
  reconciler: null,
  repairs: [],
  orphans: [],
  stuck: [],
  moving: 2,
  serving: 5,
  ...more,
});
const run = (more: Partial<NonNullable<Operations["reconciler"]>> = {}) => ({
  started_at: new Date(Date.now() - 64_000).toISOString(),
  ended_at: new Date(Date.now() - 60_000).toISOString(),
  versions: 1,
  moving: 2,
  serving: 5,
  compared: 41,
  leftovers: 0,
  repaired: 3,
  failed: 0,
  problem: "",
  compared_at: AT,
  searched_at: null,
  ...more,
});
const orphan = (more: Partial<Orphan> = {}): Orphan => ({
  service_id: "svc-x",
  name: "somebodys",
  detail: "No agent claims this service.",
  deployment_id: "",
  found_at: AT,
  seen_at: AT,
  ...more,
});
const stuck = (more: Partial<StuckWork> = {}): StuckWork => ({
  org_id: "org_ada",
  agent_id: "agt_1",
  environment: "production",
  deployment_id: "dep_1",
  state: "verifying",
  since: AT,
  detail: "The host does not answer.",
  ...more,
});
const repair = (id: string, done: string): Repair => ({
  id,
  at: AT,
  org_id: "org_ada",
  deployment_id: "dep_1",
  said: "live",
  host: "CRASHED",
  done,
});
const receipt = (more: Partial<Receipt> = {}): Receipt => ({
  id: "dlv_1",
  received_at: AT,
  source: "app",
  guid: "72d3162e",
  event: "push",
  action: "",
  size: 6_700,
  repository: "acme/loose",
  account: "acme",
  installation_id: 77,
  state: "done",
  code: "not_connected",
  detail: "No agent is connected to this repository by the app.",
  ...more,
});
const press = async (name: string) => userEvent.click(await screen.findByRole("button", { name }));
const open = () => renderPage(routes.inside ?? [], "/operations");
const part = async (title: string) =>
  within((await screen.findByRole("heading", { name: title })).closest("section") as HTMLElement);

beforeEach(() => {
  answer("get", "/operations/repairs", { items: [], next_cursor: null });
  answer("get", "/operations/deliveries", { items: [], next_cursor: null });
  answer("get", "/moderation/reports", { items: [], next_cursor: null });
  answer("get", "/organisations", list([{ id: "org_ada", name: "Ada's", personal: true }]));
});

describe("the operators' page", () => {
  it("is the ordinary page of no address for everybody else", async () => {
    refuse("get", "/operations", 404, "There is no such thing here.", "not_found");
    open();
    expect(await screen.findByText("Nothing is moored here")).toBeInTheDocument();
    expect(screen.queryByText("Operations")).toBeNull();
  });

  it("says what failed, and reads again", async () => {
    refuse("get", "/operations", 500, "This is our fault.");
    open();
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    answer("get", "/operations", seen());
    await press("Try again");
    expect(await screen.findByText("7,500")).toBeInTheDocument();
  });

  it("says of each part that there is nothing", async () => {
    answer("get", "/operations", seen());
    open();
    expect(await screen.findByText("It has not run yet")).toBeInTheDocument();
    expect(screen.getByText("Nothing is stuck")).toBeInTheDocument();
    expect(screen.getByText("No orphans")).toBeInTheDocument();
    expect(await screen.findByText("No open reports")).toBeInTheDocument();
    expect(await screen.findByText("No such calls")).toBeInTheDocument();
    expect(await screen.findByText("Nothing to repair")).toBeInTheDocument();
  });
});

describe("the budget", () => {
  it.each([
    [{}, "Enough"],
    [{ left: 900 }, "Low"],
    [{ left: 0 }, "Used up"],
    [{ paused_until: FAR }, "Paused"],
    [{ paused_until: AT }, "Enough"],
  ])("with %o is told as %s", async (more, label) => {
    answer("get", "/operations", seen({ budget: { ...seen().budget, ...more } }));
    open();
    expect((await part("Budget")).getByText(label)).toBeInTheDocument();
  });
});

describe("the last run", () => {
  it.each([
    [{}, "Well"],
    [{ failed: 1 }, "Had problems"],
    [{ problem: "The host answers nobody." }, "Had problems"],
    [{ ended_at: AT }, "Late"],
  ])("with %o is told as %s", async (more, label) => {
    answer("get", "/operations", seen({ reconciler: run(more) }));
    open();
    const plate = await part("Reconciler");
    expect(plate.getByText(label)).toBeInTheDocument();
    expect(plate.getByText("41")).toBeInTheDocument();
    if ("problem" in more) expect(plate.getByText("The host answers nobody.")).toBeInTheDocument();
  });
});

it("the reconciler rests while nothing runs", async () => {
  answer("get", "/operations", seen({ moving: 0, serving: 0, reconciler: run({ ended_at: AT }) }));
  open();
  expect((await part("Reconciler")).getByText("At rest")).toBeInTheDocument();
});

describe("stuck work", () => {
  it("leads to what the operator may see, and names the rest", async () => {
    const theirs = stuck({ org_id: "org_x", agent_id: "agt_x", deployment_id: "dep_x" });
    answer("get", "/operations", seen({ stuck: [stuck(), { ...theirs, state: "ended" }] }));
    open();
    expect(await screen.findByRole("link", { name: "dep_1" })).toHaveAttribute(
      "href",
      "/agents/agt_1/deployments/dep_1",
    );
    expect(screen.getByText("Verifying")).toBeInTheDocument();
    expect(screen.getByText("Ended here only")).toBeInTheDocument();
    expect(screen.getByText("dep_x")).toBeInTheDocument();
    expect(screen.queryByRole("link", { name: "dep_x" })).toBeNull();
  });
});

describe("orphans", () => {
  it("are looked for now, and the search says what failed", async () => {
    answer("get", "/operations", seen());
    refuse("post", "/operations/orphans/search", 503, "The host does not answer.");
    open();
    await press("Search now");
    expect(await screen.findByText("The host does not answer.")).toBeInTheDocument();
    answer("post", "/operations/orphans/search", { items: [orphan()] });
    await press("Search now");
    expect(await screen.findByText("somebodys")).toBeInTheDocument();
    expect(screen.queryByText("The host does not answer.")).toBeNull();
  });

  it("are removed after their name is typed; a refusal stays in sight", async () => {
    answer("get", "/operations", seen({ orphans: [orphan()] }));
    const path = "/operations/orphans/svc-x/remove";
    refuse("post", path, 409, "An agent claims this service.", "service_claimed");
    open();
    await press("Remove somebodys");
    expect(screen.getByRole("button", { name: "Remove it" })).toBeDisabled();
    await userEvent.type(screen.getByRole("textbox", { name: /to confirm/ }), "somebodys");
    await press("Remove it");
    expect(await screen.findByText("An agent claims this service.")).toBeInTheDocument();
    server.use(http.post(`*/api/v1${path}`, () => new HttpResponse(null, { status: 204 })));
    answer("get", "/operations", seen());
    await press("Remove it");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(await screen.findByText("No orphans")).toBeInTheDocument();
  });

  it("that are an agent's service cannot be removed here", async () => {
    answer("get", "/operations", seen({ orphans: [orphan({ deployment_id: "host-9" })] }));
    open();
    expect(await screen.findByText("somebodys")).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: /^Remove/ })).toBeNull();
  });
});

describe("reports", () => {
  it("are decided with a reason, which stays when the decision fails", async () => {
    const report: ReportCase = {
      id: "rep_1",
      slug: "site-watch",
      name: "Site watch",
      reason: "spam",
      detail: "It <b>advertises</b>.",
      created_at: AT,
      decision: null,
      review_id: null,
      review_text: null,
      review_stars: null,
    };
    answer("get", "/operations", seen());
    answer("get", "/moderation/reports", { items: [report], next_cursor: null });
    const path = "/moderation/reports/rep_1/decision";
    refuse("post", path, 503, "Try again in a moment.");
    open();
    expect(await screen.findByText("It <b>advertises</b>.")).toBeInTheDocument();
    await press("Decide on Site watch");
    await press("Hide it");
    expect(await screen.findByText("Say why, in a sentence.")).toBeInTheDocument();
    await userEvent.type(screen.getByLabelText("Reason"), "It is spam.");
    await press("Hide it");
    expect(await screen.findByText("Try again in a moment.")).toBeInTheDocument();
    const bodies: unknown[] = [];
    server.use(
      http.post(`*/api/v1${path}`, async ({ request }) => {
        bodies.push(await request.json());
        return HttpResponse.json({ ...report, decision: "hide" });
      }),
    );
    answer("get", "/moderation/reports", { items: [], next_cursor: null });
    await press("Hide it");
    expect(await screen.findByText("No open reports")).toBeInTheDocument();
    expect(bodies).toEqual([{ decision: "hide", reason: "It is spam." }]);
  });
});

describe("what was told of no agent", () => {
  it.each([
    [{}, "Ignored", "push"],
    [{ event: "ping", code: "ping", repository: "", action: "x" }, "Noted", "ping x"],
    [{ code: "payload_malformed" }, "Unreadable", "push"],
    [{ event: "", state: "refused" as const, code: "signature_wrong" }, "Refused", "A call"],
  ])("with %o is shown as %s", async (more, label, event) => {
    answer("get", "/operations", seen());
    answer("get", "/operations/deliveries", list([receipt(more)]));
    open();
    const plate = await part("Calls for no agent");
    expect(await plate.findByText(label)).toBeInTheDocument();
    expect(plate.getByText(event)).toBeInTheDocument();
    expect(plate.getByText(receipt(more).repository || "acme")).toBeInTheDocument();
  });

  it("is shown page by page", async () => {
    answer("get", "/operations", seen());
    server.use(
      http.get("*/api/v1/operations/deliveries", ({ request }) =>
        HttpResponse.json(
          new URL(request.url).searchParams.get("cursor") === "c2"
            ? { items: [receipt({ id: "dlv_2", source: "hok_9" })], next_cursor: null }
            : { items: [receipt()], next_cursor: "c2" },
        ),
      ),
    );
    open();
    await press("Earlier calls");
    expect(await screen.findByText("hok_9")).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Earlier calls" })).toBeNull();
  });

  it("failing leaves the rest of the page", async () => {
    answer("get", "/operations", seen());
    refuse("get", "/operations/deliveries", 500, "This is our fault.");
    open();
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("7,500")).toBeInTheDocument();
  });
});

describe("repairs", () => {
  it("are told page by page", async () => {
    answer("get", "/operations", seen());
    server.use(
      http.get("*/api/v1/operations/repairs", ({ request }) =>
        HttpResponse.json(
          new URL(request.url).searchParams.get("cursor") === "c2"
            ? { items: [repair("rpr_2", "rolled back")], next_cursor: null }
            : { items: [repair("rpr_1", "now crashed")], next_cursor: "c2" },
        ),
      ),
    );
    open();
    expect(await screen.findByText("now crashed")).toBeInTheDocument();
    expect(screen.getByText("CRASHED")).toBeInTheDocument();
    await press("Earlier repairs");
    expect(await screen.findByText("rolled back")).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Earlier repairs" })).toBeNull();
  });

  it("failing leave the rest of the page", async () => {
    answer("get", "/operations", seen());
    refuse("get", "/operations/repairs", 500, "This is our fault.");
    open();
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("7,500")).toBeInTheDocument();
  });
});
