/** Forms whose call is delayed, refused or cut: people see it, and nothing that they typed is lost. */
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { delay, HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { allIsWell, pattern, routes } from "./all-well";
import { renderPage } from "./render";
import { answer, refuse, server } from "./server";
import { found, list, offer } from "./things";

type Method = "post" | "put" | "patch";

interface Form {
  call: [Method, string];
  at: string;
  /** Leads to the form, where it is not there at once. */
  open?: () => Promise<void>;
  /** Fields by their labels, and what is typed there. */
  typed: Record<string, string>;
  press: string;
  anonymous?: boolean;
}

const press = async (name: string | RegExp) => {
  await userEvent.click((await screen.findAllByRole("button", { name }))[0] as HTMLElement);
};

const FORMS: Record<string, Form> = {
  "an agent's name": {
    call: ["patch", "/agents/{agent_id}"],
    at: "/agents/agt_1/settings",
    typed: { Name: "Ebb reader" },
    press: "Save",
  },
  "an agent's listing": {
    call: ["put", "/agents/{agent_id}/listing"],
    at: "/agents/agt_1/listing",
    typed: { Summary: "Reads the ebb." },
    press: "Save",
  },
  "a variable": {
    call: ["put", "/agents/{agent_id}/environments/{environment}/variables"],
    at: "/agents/agt_1/variables",
    open: () => press("Add"),
    typed: { Name: "TIDE", "Value of TIDE": "low" },
    press: "Save",
  },
  "a repository": {
    call: ["put", "/agents/{agent_id}/repository"],
    at: "/agents/agt_1/repository",
    open: async () => {
      await screen.findByText("Connect a repository");
    },
    typed: { Repository: "ada/ebb" },
    press: "Connect",
  },
  "a repository to deploy": {
    call: ["post", "/agents"],
    at: "/deploy",
    typed: { Repository: "ada/ebb" },
    press: "Fetch it",
  },
  "an organisation": {
    call: ["post", "/organisations"],
    at: "/organisations/new",
    typed: { Name: "Harbour" },
    press: "Create organisation",
  },
  "an organisation's name": {
    call: ["patch", "/organisations/{org_id}"],
    at: "/organisation/settings",
    typed: { Name: "Harbour" },
    press: "Rename",
  },
  "an invitation": {
    call: ["post", "/organisations/{org_id}/invitations"],
    at: "/organisation/invitations",
    open: () => press(/^Invite/),
    typed: { Email: "new@example.org" },
    press: "Send invitation",
  },
  "one's own name": {
    call: ["patch", "/me"],
    at: "/profile",
    typed: { Name: "Countess" },
    press: "Save",
  },
  "an API token": {
    call: ["post", "/tokens"],
    at: "/profile/tokens",
    open: () => press(/^(New|Create)/),
    typed: { Name: "Build" },
    press: "Create token",
  },
  "a report": {
    call: ["post", "/marketplace/agents/{slug}/reports"],
    at: "/marketplace/site-watch",
    open: () => press("Report this agent"),
    typed: { "What you saw (optional)": "It watches me." },
    press: "Send report",
  },
  "a copy": {
    call: ["post", "/marketplace/agents/{slug}/copies"],
    at: "/marketplace/site-watch/copy",
    typed: { WATCH_URLS: "https://example.org" },
    press: "Deploy my copy",
  },
  "a share": {
    call: ["post", "/agents/{agent_id}/shares"],
    at: "/agents/agt_1/listing",
    open: () => press("Share"),
    typed: { "Note (optional)": "For the fair" },
    press: "Share",
  },
  "a sign-in link": {
    call: ["post", "/auth/email"],
    at: "/sign-in",
    typed: { Email: "ada@example.org" },
    press: "Send me a link",
    anonymous: true,
  },
};

beforeEach(() => {
  allIsWell();
  refuse("get", "/agents/:agent_id/repository", 404, "It follows none.", "not_connected");
  answer("get", "/github", { app: false, items: [], next_cursor: null });
  answer("get", "/marketplace/agents", found([]));
  answer("get", "/marketplace/agents/:slug", offer());
  answer("get", "/marketplace/agents/:slug/reviews", list([]));
});

/** The fields of the form by their labels. */
function field(label: string): HTMLElement {
  const dialog = screen.queryByRole("dialog");
  return within(dialog ?? document.body).getByLabelText(label);
}

async function fillIn(form: Form): Promise<void> {
  renderPage(routes, form.at, { signedIn: !form.anonymous });
  await form.open?.();
  for (const [label, text] of Object.entries(form.typed)) {
    await waitFor(() => expect(field(label)).toBeEnabled());
    await userEvent.clear(field(label));
    await userEvent.type(field(label), text);
  }
  const buttons = await screen.findAllByRole("button", { name: form.press });
  await userEvent.click(buttons.find((one) => !one.hasAttribute("disabled")) as HTMLElement);
}

function nothingIsLost({ typed }: Form): void {
  for (const [label, text] of Object.entries(typed)) expect(field(label)).toHaveValue(text);
}

describe.each(Object.entries(FORMS))("sending %s", (_name, form) => {
  const [method, path] = form.call;
  const address = `*/api/v1${pattern(path)}`;

  it("shows that it is on its way while it takes long", async () => {
    server.use(http[method](address, () => delay("infinite")));
    await fillIn(form);
    await waitFor(() => expect(document.querySelector("button[aria-busy=true]")).not.toBeNull());
    nothingIsLost(form);
  });

  it("says why it was refused, with a trace, and keeps what was typed", async () => {
    refuse(method, pattern(path), 500, "This is our fault.");
    await fillIn(form);
    expect(await screen.findByText("This is our fault.")).toBeInTheDocument();
    expect(screen.getByText("trace-of-the-test")).toBeInTheDocument();
    nothingIsLost(form);
  });

  it("says that there was no answer, and keeps what was typed", async () => {
    server.use(http[method](address, () => HttpResponse.error()));
    await fillIn(form);
    expect(await screen.findByText("No answer")).toBeInTheDocument();
    nothingIsLost(form);
  });
});
