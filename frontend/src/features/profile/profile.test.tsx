import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { describe, expect, it } from "vitest";
import type { OwnSession, Token } from "@/api/types";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, list } from "@/testing/things";
import { browserOf } from "./browser";
import { routes } from "./routes";

const AT = "2026-01-01T10:00:00Z";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

const me = (name = "Ada") => ({
  user: { id: "usr_ada", email: "ada@example.org", name },
  organisation: { id: "org_ada", name: "Ada's", personal: true, tier: "free" },
  role: "owner",
  scope: "admin",
  restricted: false,
  agent_id: null,
  session_id: "ses_1",
  token_id: null,
});
const session = (more: Partial<OwnSession> = {}): OwnSession => ({
  id: "ses_1",
  method: "email",
  address: "192.0.2.7",
  user_agent: FIREFOX,
  created_at: AT,
  last_used_at: AT,
  expires_at: "2036-01-01T10:00:00Z",
  current: true,
  ...more,
});
const token = (more: Partial<Token> = {}): Token => ({
  id: "tok_1",
  user_id: "usr_ada",
  name: "Build",
  scope: "deploy",
  agent_id: null,
  hint: "wxyz",
  created_at: AT,
  expires_at: null,
  last_used_at: null,
  ...more,
});

function given() {
  answer("get", "/me", me());
  answer("get", "/permissions", { roles: { owner: ["token:create"] }, scopes: {}, actions: [] });
  answer("get", "/agents", list([{ ...agent(), production: null }]));
  answer("get", "/auth/providers", {
    items: [{ id: "github", name: "GitHub", kind: "github" }],
    email: true,
    mailbox_url: null,
  });
  answer("get", "/me/identities/pending", { items: [], next_cursor: null });
}
const open = (at: string) => renderPage(routes.inside ?? [], at);
const press = (name: string | RegExp) => userEvent.click(screen.getByRole("button", { name }));

describe("the account", () => {
  it("keeps the name that was typed when it is refused, and says why", async () => {
    given();
    open("/profile");
    const name = await screen.findByLabelText("Name");
    await userEvent.clear(name);
    expect(screen.getByText("Write what others shall call you.")).toBeInTheDocument();
    await userEvent.type(name, "Countess");
    refuse("patch", "/me", 503, "Try again in a moment.");
    await press("Save");
    expect(await screen.findByText("Try again in a moment.")).toBeInTheDocument();
    expect(name).toHaveValue("Countess");
    answer("patch", "/me", me("Countess").user);
    answer("get", "/me", me("Countess"));
    await press("Save");
    await waitFor(() => expect(screen.getByRole("button", { name: "Save" })).toBeDisabled());
  });

  it("is deleted only after the address is typed, and says what keeps it", async () => {
    given();
    open("/profile");
    await userEvent.click(await screen.findByRole("button", { name: "Delete account" }));
    expect(screen.getByRole("button", { name: "Delete it" })).toBeDisabled();
    await userEvent.type(screen.getByRole("textbox", { name: /to confirm/ }), "ada@example.org");
    const bodies: unknown[] = [];
    server.use(
      http.delete("*/api/v1/me", async ({ request }) => {
        bodies.push(await request.json());
        const detail = "You are the last owner of Harbour Office. Hand it over first.";
        return HttpResponse.json({ title: "Not yet", code: "last_owner", detail }, { status: 409 });
      }),
    );
    await press("Delete it");
    expect(await screen.findByText(/Hand it over first/)).toBeInTheDocument();
    expect(bodies).toEqual([{ confirm: "ada@example.org" }]);
  });

  it("moves to another address: a link is asked for, and one press on its page does it", async () => {
    given();
    const first = open("/profile");
    const field = await screen.findByLabelText("New address");
    expect(screen.getByRole("button", { name: "Send a link" })).toBeDisabled();
    await userEvent.type(field, "countess@example.org");
    answer("post", "/me/email", { detail: "On its way." });
    await press("Send a link");
    expect(await screen.findByText("Look into the mail of the new address")).toBeInTheDocument();
    first.unmount();

    const bodies: unknown[] = [];
    server.use(
      http.post("*/api/v1/me/email/confirm", async ({ request }) => {
        bodies.push(await request.json());
        return HttpResponse.json({ ...me().user, email: "countess@example.org" });
      }),
    );
    open("/profile/email#token=secret");
    const change = await screen.findByRole("button", { name: "Change my address" });
    expect(bodies).toEqual([]);
    await userEvent.click(change);
    expect(await screen.findByLabelText("New address")).toHaveValue("");
    expect(bodies).toEqual([{ token: "secret" }]);
  });

  it("says why an address is refused, and what a link that leads nowhere means", async () => {
    given();
    const first = open("/profile");
    await userEvent.type(await screen.findByLabelText("New address"), "ada@example.org");
    refuse("post", "/me/email", 422, "This is your address already.", "email_unchanged");
    await press("Send a link");
    expect(await screen.findByText("This is your address already.")).toBeInTheDocument();
    first.unmount();
    const detail = "This link has been used or has expired. Ask for a new one.";
    refuse("post", "/me/email/confirm", 404, detail, "link_expired");
    const second = open("/profile/email#token=old");
    await userEvent.click(await screen.findByRole("button", { name: "Change my address" }));
    expect(await screen.findByText(detail)).toBeInTheDocument();
    expect(screen.getByRole("link", { name: "Ask for another link" })).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Change my address" })).toBeNull();
    second.unmount();
    open("/profile/email");
    expect(await screen.findByText(/A part of the link is missing/)).toBeInTheDocument();
  });

  it("says what failed, and reads again", async () => {
    given();
    refuse("get", "/me", 500, "This is our fault.");
    open("/profile");
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    answer("get", "/me", me());
    await press("Try again");
    expect(await screen.findByLabelText("Name")).toHaveValue("Ada");
  });
});

describe("ways to sign in", () => {
  it("are listed, added at the provider, and taken away", async () => {
    given();
    answer("get", "/me/identities", {
      items: [
        { id: "idn_1", provider: "github", email: "ada@work.example", name: "ada", created_at: AT },
      ],
      next_cursor: null,
    });
    open("/profile/sign-in");
    expect(await screen.findByText(/ada@work.example/)).toBeInTheDocument();
    expect(await screen.findByRole("link", { name: "Add GitHub" })).toHaveAttribute(
      "href",
      "/api/v1/auth/github/start?link=true&return_to=/profile/sign-in",
    );
    await press("Take GitHub away");
    server.use(
      http.delete("*/api/v1/me/identities/idn_1", () => new HttpResponse(null, { status: 204 })),
    );
    answer("get", "/me/identities", { items: [], next_cursor: null });
    await press("Take it away");
    expect(await screen.findByText("No account elsewhere signs in to this one.")).toBeVisible();
  });
});

describe("sessions", () => {
  it("mark this one, and end another", async () => {
    given();
    const other = session({ id: "ses_2", current: false, user_agent: SAFARI });
    answer("get", "/me/sessions", { items: [session(), other], next_cursor: null });
    open("/profile/sessions");
    const here = (await screen.findByText("Firefox on Linux")).closest("li") as HTMLElement;
    expect(within(here).getByText("this browser")).toBeInTheDocument();
    expect(screen.getByRole("button", { name: "End all others" })).toBeInTheDocument();
    server.use(
      http.delete("*/api/v1/me/sessions/ses_2", () => new HttpResponse(null, { status: 204 })),
    );
    answer("get", "/me/sessions", { items: [session()], next_cursor: null });
    await press("End the session of Safari on iOS");
    await waitFor(() => expect(screen.queryByText("Safari on iOS")).toBeNull());
    expect(screen.queryByRole("button", { name: "End all others" })).toBeNull();
  });

  it("are told apart by what browsers say", () => {
    expect(browserOf(FIREFOX)).toBe("Firefox on Linux");
    expect(browserOf(SAFARI)).toBe("Safari on iOS");
    expect(browserOf("python-httpx/0.28")).toBe("Python");
    expect(browserOf("")).toBe("An unknown browser");
  });
});

describe("API tokens", () => {
  it("are made with scope, agent and end, and shown once", async () => {
    given();
    answer("get", "/tokens", list([]));
    open("/profile/tokens");
    expect(await screen.findByText("No API tokens")).toBeInTheDocument();
    await userEvent.click(
      (await screen.findAllByRole("button", { name: "New token" }))[0] as Element,
    );
    const dialog = within(await screen.findByRole("dialog"));
    await userEvent.click(dialog.getByRole("button", { name: "Create token" }));
    expect(dialog.getByText(/Name it after the program/)).toBeInTheDocument();
    await userEvent.type(dialog.getByLabelText("Name"), "Wall");
    await userEvent.selectOptions(dialog.getByLabelText("Scope"), "read");
    await userEvent.selectOptions(dialog.getByLabelText("For"), "agt_1");
    await userEvent.selectOptions(dialog.getByLabelText("Ends"), "");
    const bodies: unknown[] = [];
    server.use(
      http.post("*/api/v1/tokens", async ({ request }) => {
        bodies.push(await request.json());
        const made = { ...token({ name: "Wall", scope: "read" }), token: "slip_secret" };
        return HttpResponse.json(made, { status: 201 });
      }),
    );
    answer("get", "/tokens", list([token({ name: "Wall", scope: "read", agent_id: "agt_1" })]));
    await userEvent.click(dialog.getByRole("button", { name: "Create token" }));
    expect(await screen.findByText("slip_secret")).toBeInTheDocument();
    expect(bodies).toEqual([{ name: "Wall", scope: "read", agent_id: "agt_1", expires_at: null }]);
    expect(screen.getByRole("button", { name: "Done" })).toBeDisabled();
    await userEvent.click(screen.getByRole("checkbox", { name: "I have copied it" }));
    await press("Done");
    expect(screen.queryByText("slip_secret")).toBeNull();
    expect(await screen.findByText("Tide Reader only")).toBeInTheDocument();
  });

  it("show the API's refusal at its field, with what was typed", async () => {
    given();
    answer("get", "/tokens", list([]));
    open("/profile/tokens");
    await screen.findByText("No API tokens");
    await userEvent.click(
      (await screen.findAllByRole("button", { name: "New token" }))[0] as Element,
    );
    const dialog = within(await screen.findByRole("dialog"));
    await userEvent.type(dialog.getByLabelText("Name"), "Wall");
    server.use(
      http.post("*/api/v1/tokens", () =>
        HttpResponse.json(
          {
            title: "Invalid",
            code: "agent_unknown",
            detail: "There is no such agent here.",
            errors: [{ field: "agent_id", detail: "Name an agent of yours." }],
          },
          { status: 400 },
        ),
      ),
    );
    await userEvent.click(dialog.getByRole("button", { name: "Create token" }));
    expect(await dialog.findByText("Name an agent of yours.")).toBeInTheDocument();
    expect(dialog.getByLabelText("Name")).toHaveValue("Wall");
  });

  it("say when they ended, and are revoked", async () => {
    given();
    answer("get", "/tokens", list([token({ expires_at: "2026-01-02T00:00:00Z" })]));
    open("/profile/tokens");
    expect(await screen.findByText("Ended")).toBeInTheDocument();
    await press("Revoke Build");
    server.use(http.delete("*/api/v1/tokens/tok_1", () => new HttpResponse(null, { status: 204 })));
    answer("get", "/tokens", list([]));
    await press("Revoke it");
    expect(await screen.findByText("No API tokens")).toBeInTheDocument();
  });
});
