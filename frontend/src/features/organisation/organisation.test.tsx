import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { useOrganisation } from "@/api/organisation";
import type { AuditRecord, Invitation, Member, Organisation, Role } from "@/api/types";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { list } from "@/testing/things";
import { routes } from "./routes";

const AT = "2026-01-01T10:00:00Z";
const ACTIONS = {
  owner: [
    ...["organisation:update", "organisation:delete", "organisation:transfer"],
    ...["member:invite", "member:update", "member:remove", "audit:read", "token:create"],
  ],
  admin: ["organisation:update", "member:invite", "member:update", "member:remove", "audit:read"],
  developer: [],
  viewer: [],
};

const organisation = (more: Partial<Organisation> = {}): Organisation => ({
  id: "org_1",
  name: "Harbour Office",
  personal: false,
  tier: "free",
  role: "owner",
  restricted: false,
  created_at: AT,
  closes_at: null,
  revision: 3,
  ...more,
});
const member = (more: Partial<Member> = {}): Member => ({
  user_id: "usr_ada",
  name: "Ada",
  email: "ada@example.org",
  role: "owner",
  restricted: false,
  grants: {},
  joined_at: AT,
  revision: 1,
  ...more,
});
const GRACE = member({ user_id: "usr_grace", name: "Grace", email: "grace@example.org" });
const invitation = (more: Partial<Invitation> = {}): Invitation => ({
  id: "inv_1",
  email: "new@example.org",
  role: "developer",
  restricted: false,
  grants: {},
  state: "pending",
  invited_by: "usr_ada",
  created_at: AT,
  sent_at: AT,
  expires_at: new Date(Date.now() + 86_400_000 * 3).toISOString(),
  ...more,
});
const record = (more: Partial<AuditRecord> = {}): AuditRecord => ({
  sequence: 7,
  at: AT,
  actor: { id: "usr_grace", name: "Grace", email: "grace@example.org" },
  address: "192.0.2.7",
  action: "member.updated",
  subject: "usr_linus",
  result: "done",
  before: { role: "viewer" },
  after: { role: "developer" },
  trace_id: "trace-1",
  hash: "ab".repeat(32),
  ...more,
});

function given(role: Role = "owner", more: Partial<Organisation> = {}) {
  const one = organisation({ role, ...more });
  answer("get", "/me", {
    user: { id: "usr_ada", email: "ada@example.org", name: "Ada" },
    organisation: { id: one.id, name: one.name, personal: one.personal, tier: one.tier },
    role,
    scope: "admin",
    restricted: false,
    agent_id: null,
    session_id: "ses_1",
    token_id: null,
  });
  answer("get", "/permissions", { roles: ACTIONS, scopes: {}, actions: [] });
  answer("get", "/organisations/org_1", one);
  answer("get", "/organisations/org_1/members", list([member({ role })]));
  answer("get", "/agents", list([]));
}

const open = (at: string) => renderPage([...(routes.inside ?? []), ...(routes.open ?? [])], at);
const press = (name: string | RegExp) => userEvent.click(screen.getByRole("button", { name }));

beforeEach(() => {
  sessionStorage.clear();
  useOrganisation.getState().choose(null);
});

describe("members", () => {
  it("are listed, and owners change everybody but themselves", async () => {
    given();
    answer("get", "/organisations/org_1/members", list([member(), { ...GRACE, role: "admin" }]));
    open("/organisation");
    expect(await screen.findByText("grace@example.org")).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Actions for Grace" }));
    expect(await screen.findByRole("menuitem", { name: "Change rights" })).toBeInTheDocument();
    expect(
      screen.getByRole("menuitem", { name: "Hand the organisation over" }),
    ).toBeInTheDocument();
  });

  it("of a higher rank are not to be touched by an admin", async () => {
    given("admin");
    answer("get", "/organisations/org_1/members", list([member({ role: "admin" }), GRACE]));
    open("/organisation");
    await screen.findByRole("button", { name: "Invite somebody" });
    expect(screen.queryByRole("button", { name: "Actions for Grace" })).toBeNull();
  });

  it("say what failed, and are read again", async () => {
    given();
    refuse("get", "/organisations/org_1/members", 500, "This is our fault.");
    open("/organisation");
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    answer("get", "/organisations/org_1/members", list([GRACE]));
    await press("Try again");
    expect(await screen.findByText("grace@example.org")).toBeInTheDocument();
  });

  it("keep what was chosen when somebody else changed them meanwhile", async () => {
    given();
    const before = { ...GRACE, role: "viewer" as const };
    answer("get", "/organisations/org_1/members", list([member(), before]));
    const sent: (string | null)[] = [];
    server.use(
      http.patch("*/api/v1/organisations/org_1/members/usr_grace", ({ request }) => {
        sent.push(request.headers.get("If-Match"));
        return sent.length === 1
          ? HttpResponse.json({ title: "Changed", code: "changed", detail: "" }, { status: 412 })
          : HttpResponse.json({ ...before, role: "developer", revision: 3 });
      }),
    );
    open("/organisation");
    await userEvent.click(await screen.findByRole("button", { name: "Actions for Grace" }));
    await userEvent.click(await screen.findByRole("menuitem", { name: "Change rights" }));
    await waitFor(() => expect(screen.getByLabelText("Role")).toHaveFocus());
    // The menu gives back the focus a moment later: not to the cross that closes.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(screen.getByLabelText("Role")).toHaveFocus();
    await userEvent.selectOptions(screen.getByLabelText("Role"), "developer");
    answer(
      "get",
      "/organisations/org_1/members",
      list([member(), { ...before, role: "admin" as const, revision: 2 }]),
    );
    await press("Save");
    expect(await screen.findByText(/changed them while you were editing/)).toBeInTheDocument();
    expect(screen.getByLabelText("Role")).toHaveValue("developer");
    await press("Save mine over it");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(sent).toEqual(['"1"', '"2"']);
  });
});

describe("invitations", () => {
  it("say what to do while there is none, and refuse half an address", async () => {
    given();
    answer("get", "/organisations/org_1/invitations", { items: [], next_cursor: null });
    open("/organisation/invitations");
    expect(await screen.findByText("No invitation waits")).toBeInTheDocument();
    await userEvent.click(screen.getAllByRole("button", { name: "Invite somebody" })[0] as Element);
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByLabelText("Email")).toHaveFocus();
    await userEvent.type(dialog.getByLabelText("Email"), "grace");
    await userEvent.click(dialog.getByRole("button", { name: "Send invitation" }));
    expect(dialog.getByText(/Write a whole address/)).toBeInTheDocument();
  });

  it("show the API's refusal in the form, with what was typed", async () => {
    given();
    answer("get", "/organisations/org_1/invitations", { items: [], next_cursor: null });
    refuse(
      "post",
      "/organisations/org_1/invitations",
      409,
      "This address belongs to a member already.",
    );
    open("/organisation/invitations");
    await screen.findByText("No invitation waits");
    await userEvent.click(screen.getAllByRole("button", { name: "Invite somebody" })[0] as Element);
    const dialog = within(await screen.findByRole("dialog"));
    await userEvent.type(dialog.getByLabelText("Email"), "grace@example.org");
    await userEvent.click(dialog.getByRole("button", { name: "Send invitation" }));
    expect(await dialog.findByText(/belongs to a member already/)).toBeInTheDocument();
    expect(dialog.getByLabelText("Email")).toHaveValue("grace@example.org");
  });

  it("are revoked after a question", async () => {
    given();
    answer("get", "/organisations/org_1/invitations", {
      items: [
        invitation(),
        invitation({ id: "inv_2", email: "late@example.org", state: "expired" }),
      ],
      next_cursor: null,
    });
    open("/organisation/invitations");
    expect(await screen.findByText("Expired")).toBeInTheDocument();
    await press("Revoke the invitation of new@example.org");
    server.use(
      http.delete(
        "*/api/v1/organisations/org_1/invitations/inv_1",
        () => new HttpResponse(null, { status: 204 }),
      ),
    );
    answer("get", "/organisations/org_1/invitations", { items: [], next_cursor: null });
    await press("Revoke it");
    expect(await screen.findByText("No invitation waits")).toBeInTheDocument();
  });
});

describe("accepting", () => {
  const preview = {
    organisation: { id: "org_1", name: "Harbour Office" },
    email: "ada@example.org",
    role: "developer",
    restricted: false,
    invited_by: "Grace",
    state: "pending",
    expires_at: new Date(Date.now() + 86_400_000).toISOString(),
  };

  it("brings the right person in, and to work there", async () => {
    given("developer");
    answer("post", "/invitations/preview", preview);
    answer("post", "/invitations/accept", organisation({ role: "developer" }));
    open("/invitations/accept#token=secret");
    await userEvent.click(await screen.findByRole("button", { name: "Accept" }));
    expect(await screen.findByRole("heading", { name: "Harbour Office" })).toBeInTheDocument();
    expect(useOrganisation.getState().id).toBe("org_1");
  });

  it("is not offered to another account", async () => {
    answer("post", "/invitations/preview", { ...preview, email: "grace@example.org" });
    open("/invitations#token=secret");
    expect(await screen.findByText("This invitation is for another address")).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Accept" })).toBeNull();
  });

  it("says that the link has expired, or is cut off", async () => {
    refuse("post", "/invitations/preview", 409, "Seven days are over.", "invitation_expired");
    const first = open("/invitations/accept#token=old");
    expect(await screen.findByText("Seven days are over.")).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
    first.unmount();
    sessionStorage.clear();
    open("/invitations/accept");
    expect(await screen.findByText(/A part of the link is missing/)).toBeInTheDocument();
  });
});

describe("settings", () => {
  it("show both names when somebody renamed it meanwhile", async () => {
    given();
    open("/organisation/settings");
    const name = await screen.findByLabelText("Name");
    await userEvent.clear(name);
    await userEvent.type(name, "Port Authority");
    refuse("patch", "/organisations/org_1", 412, "It has changed.", "changed");
    answer("get", "/organisations/org_1", organisation({ name: "Quay", revision: 4 }));
    await press("Rename");
    const both = await screen.findByRole("alert");
    expect(both).toHaveTextContent("Quay");
    expect(both).toHaveTextContent("Port Authority");
    expect(screen.getByRole("button", { name: "Save mine" })).toBeInTheDocument();
  });

  it("delete only after the name is typed, and then offer to bring it back", async () => {
    given();
    open("/organisation/settings");
    await userEvent.click(await screen.findByRole("button", { name: "Delete organisation" }));
    expect(screen.getByRole("button", { name: "Delete it" })).toBeDisabled();
    await userEvent.type(screen.getByRole("textbox", { name: /to confirm/ }), "Harbour Office");
    const bodies: unknown[] = [];
    const closing = organisation({
      closes_at: new Date(Date.now() + 86_400_000 * 7).toISOString(),
      revision: 4,
    });
    server.use(
      http.delete("*/api/v1/organisations/org_1", async ({ request }) => {
        bodies.push(await request.json());
        return HttpResponse.json(closing, { status: 202 });
      }),
    );
    await press("Delete it");
    expect(await screen.findByText("This organisation is being deleted")).toBeInTheDocument();
    expect(bodies).toEqual([{ confirm: "Harbour Office" }]);
    answer("post", "/organisations/org_1/restore", organisation({ revision: 5 }));
    answer("get", "/organisations/org_1", organisation({ revision: 5 }));
    await press("Bring it back");
    await waitFor(() =>
      expect(screen.queryByText("This organisation is being deleted")).toBeNull(),
    );
  });
});

describe("the audit log", () => {
  it("asks as the address says, and opens a record with before and after", async () => {
    given();
    const asked: string[] = [];
    server.use(
      http.get("*/api/v1/audit", ({ request }) => {
        asked.push(new URL(request.url).search);
        return HttpResponse.json({ items: [record()], next_cursor: null });
      }),
    );
    const { router } = open("/organisation/audit?action=member&result=done&since=2026-01-01");
    await userEvent.click(await screen.findByRole("button", { name: /Grace member updated/ }));
    const change = within(await screen.findByRole("table"));
    expect(change.getByText("viewer")).toBeInTheDocument();
    expect(change.getByText("developer")).toBeInTheDocument();
    const sent = new URLSearchParams(asked[0]);
    expect([sent.get("action"), sent.get("result")]).toEqual(["member", "done"]);
    expect(sent.get("since")).toBe(new Date(2026, 0, 1).toISOString());
    await press("All on this");
    await waitFor(() => expect(router.state.location.search).toContain("subject=usr_linus"));
  });

  it("says when nothing is like that, and shows all again", async () => {
    given();
    answer("get", "/audit", { items: [], next_cursor: null });
    open("/organisation/audit?actor=nobody");
    expect(await screen.findByText("No record matches")).toBeInTheDocument();
    answer("get", "/audit", { items: [record()], next_cursor: null });
    await userEvent.click(screen.getByRole("button", { name: "Show all" }));
    expect(await screen.findByText("usr_linus")).toBeInTheDocument();
  });

  it("follows the whole chain and names where it breaks", async () => {
    given();
    answer("get", "/audit", { items: [record()], next_cursor: null });
    server.use(
      http.get("*/api/v1/audit/verify", ({ request }) => {
        const later = new URL(request.url).searchParams.get("cursor") === "5000:aa";
        return HttpResponse.json(
          later
            ? {
                sound: false,
                checked: 12,
                last_sequence: 5012,
                broken: { sequence: 5012, detail: "Record 5012 was changed." },
                anchor: "5011:bb",
                next_cursor: null,
              }
            : {
                sound: true,
                checked: 5000,
                last_sequence: 5000,
                broken: null,
                anchor: "5000:aa",
                next_cursor: "5000:aa",
              },
        );
      }),
    );
    open("/organisation/audit");
    await userEvent.click(await screen.findByRole("button", { name: "Verify the log" }));
    expect(await screen.findByText("Broken at record 5012")).toBeInTheDocument();
    expect(screen.getByText("Record 5012 was changed.")).toBeInTheDocument();
  });
});
