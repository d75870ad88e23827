import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, server } from "@/testing/server";
import { agent, listing } from "@/testing/things";
import { routes } from "./routes";

const AT = "/agents/agt_1";
const SHARE = {
  id: "shr_1",
  kind: "person",
  grantee: "bob@example.org",
  note: "",
  created_by: "usr_1",
  created_at: "2026-01-01T10:00:00Z",
  expires_at: null,
};

function open(role = "owner", draft = {}, shares: unknown[] = []) {
  const actions = role === "owner" ? ["agent:share", "agent:publish"] : [];
  answer("get", "/me", { role });
  answer("get", "/permissions", { roles: { [role]: actions }, scopes: {}, actions: [] });
  answer("get", AT, agent({ environments: [] }));
  answer("get", `${AT}/listing`, listing(draft));
  answer("get", `${AT}/shares`, { items: shares } as never);
  return renderPage([...(routes.inside ?? []), { path: "*", element: "There" }], `${AT}/listing`);
}

describe("sharing", () => {
  it("makes a link and shows it this once", async () => {
    open();
    const sent: unknown[] = [];
    server.use(
      http.post(`*/api/v1${AT}/shares`, async ({ request }) => {
        sent.push(await request.json());
        const made = {
          ...SHARE,
          kind: "link",
          grantee: "",
          token: "t",
          url: "http://x/shared#token=t",
        };
        return HttpResponse.json(made, { status: 201 });
      }),
    );
    await userEvent.click(await screen.findByRole("button", { name: "Share" }));
    const dialog = await screen.findByRole("dialog", { name: "Share this agent" });
    await userEvent.click(within(dialog).getByRole("button", { name: "Share" }));
    expect(await screen.findByText("http://x/shared#token=t")).toBeInTheDocument();
    expect(sent[0]).toMatchObject({ with: "link", email: "", expires_at: null });
  });

  it("names the field that is wrong", async () => {
    open();
    const problem = {
      type: "x",
      title: "Invalid",
      status: 422,
      code: "invalid",
      detail: "Some fields are wrong.",
      trace_id: "t",
      errors: [{ field: "email", detail: "This is no address." }],
    };
    server.use(
      http.post(`*/api/v1${AT}/shares`, () => HttpResponse.json(problem, { status: 422 })),
    );
    await userEvent.click(await screen.findByRole("button", { name: "Share" }));
    const dialog = await screen.findByRole("dialog", { name: "Share this agent" });
    await userEvent.selectOptions(within(dialog).getByLabelText("With"), "person");
    await userEvent.type(within(dialog).getByLabelText("Email address"), "nonsense");
    await userEvent.click(within(dialog).getByRole("button", { name: "Share" }));
    expect(await within(dialog).findByText("This is no address.")).toBeInTheDocument();
  });

  it("ends a share after asking", async () => {
    open("owner", {}, [SHARE]);
    let ended = 0;
    server.use(
      http.delete(`*/api/v1${AT}/shares/shr_1`, () => {
        ended += 1;
        return new HttpResponse(null, { status: 204 });
      }),
    );
    const shares = await screen.findByRole("list", { name: "Shared with" });
    await userEvent.click(within(shares).getByRole("button", { name: "End" }));
    await userEvent.click(await screen.findByRole("button", { name: "End it" }));
    await waitFor(() => expect(ended).toBe(1));
  });

  it("shows it to members, and nobody else", async () => {
    open();
    const sent: unknown[] = [];
    server.use(
      http.post(`*/api/v1${AT}/publish`, async ({ request }) => {
        sent.push(await request.json());
        return HttpResponse.json(listing({ visibility: "organisation", version_id: "ver_1" }));
      }),
    );
    await userEvent.click(await screen.findByRole("button", { name: "Show to members" }));
    await waitFor(() =>
      expect(sent).toEqual([{ version_id: "ver_1", visibility: "organisation" }]),
    );
  });

  it("is not offered to who may not", async () => {
    open("viewer");
    await screen.findByRole("list", { name: "What must hold" });
    expect(screen.queryByRole("button", { name: "Share" })).toBeNull();
  });
});

describe("pictures", () => {
  it("are described, ordered and removed", async () => {
    const shot = (name: string) => ({
      path: `media/a/${name}.png`,
      width: 9,
      height: 9,
      alt: name,
    });
    open("owner", { screenshots: [shot("one"), shot("two")] });
    const sent: unknown[] = [];
    server.use(
      http.put(`*/api/v1${AT}/listing/screenshots`, async ({ request }) => {
        sent.push([await request.json(), request.headers.get("If-Match")]);
        return HttpResponse.json(listing({ revision: 4 }));
      }),
    );
    await userEvent.click(await screen.findByRole("button", { name: "Move screenshot 2 forward" }));
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toEqual([
      {
        items: [
          { path: "media/a/two.png", alt: "two" },
          { path: "media/a/one.png", alt: "one" },
        ],
      },
      '"3"',
    ]);
  });

  it("that are none are refused before they are sent", async () => {
    open();
    const file = new File(["<svg/>"], "icon.svg", { type: "image/svg+xml" });
    const input = await screen.findByLabelText("Choose an icon", { selector: "input" });
    await userEvent.setup({ applyAccept: false }).upload(input, file);
    expect(await screen.findByText(/SVG can carry scripts/)).toBeInTheDocument();
  });
});
