import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { renderPage } from "@/testing/render";
import { answer, refuse, server } from "@/testing/server";
import { agent, list } from "@/testing/things";
import { routes } from "./routes";

const SHA = "3f2a9c1d5e6f708192a3b4c5d6e7f80912345678";
const open = (at: string) => {
  const inside = (routes.inside ?? []).filter(({ path }) => path !== "deploy/:agentId/:versionId");
  return renderPage([...inside, { path: "deploy/*", element: "Confirm here" }], at);
};
const field = (name: string | RegExp) => screen.getByRole("textbox", { name });

beforeEach(() => answer("get", "/templates", list([])));

describe("a repository as a source", () => {
  it("stands filled in where a button in its README led here, and is fetched as that commit", async () => {
    const sent: unknown[] = [];
    answer("post", "/agents", agent({ id: "agt_new", name: "tides" }), { status: 201 });
    server.use(
      http.post("*/api/v1/agents/agt_new/versions", async ({ request }) => {
        sent.push(await request.json());
        return HttpResponse.json({ id: "ver_1", agent_id: "agt_new" }, { status: 201 });
      }),
    );
    const { router } = open(`/deploy?repository=ada%2Ftides&branch=${SHA}&root=agents%2Febb`);
    expect(await screen.findByText("Take this repository from GitHub")).toBeInTheDocument();
    expect(field("Repository")).toHaveValue("ada/tides");
    expect(field(/Branch, tag or commit/)).toHaveValue(SHA);
    expect(field(/^Folder/)).toHaveValue("agents/ebb");
    await userEvent.click(screen.getByRole("button", { name: "Fetch it" }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/deploy/agt_new/ver_1"));
    expect(sent).toEqual([
      {
        source: "github",
        repository: "ada/tides",
        ref: SHA,
        root: "agents/ebb",
        deploy: true,
        hold: true,
      },
    ]);
  });

  it("is asked for below the other ways when nobody came with one", async () => {
    open("/deploy");
    expect(await screen.findByText("Or take a repository from GitHub")).toBeInTheDocument();
    expect(field("Repository")).toHaveValue("");
    await userEvent.click(screen.getByRole("button", { name: "Fetch it" }));
    expect(field("Repository")).toHaveAccessibleDescription(/Name it as owner\/name/);
  });

  it("makes its agent once, says at the commit that there is none, and keeps what was typed", async () => {
    let made = 0;
    server.use(
      http.post("*/api/v1/agents", () => {
        made += 1;
        return HttpResponse.json(agent({ id: "agt_new" }), { status: 201 });
      }),
    );
    const fault = { field: "ref", detail: "ada/tides has nothing of this name." };
    refuse("post", "/agents/agt_new/versions", 422, "It cannot be fetched.", "ref_unknown", [
      fault,
    ]);
    open("/deploy?repository=ada%2Ftides&branch=ebb");
    await userEvent.click(await screen.findByRole("button", { name: "Fetch it" }));
    const ref = field(/Branch, tag or commit/);
    await waitFor(() => expect(ref).toHaveAccessibleDescription(fault.detail));
    expect(ref).toHaveValue("ebb");
    expect(screen.queryByRole("alert")).toBeNull();
    await userEvent.type(ref, "-tide");
    await userEvent.click(screen.getByRole("button", { name: "Fetch it" }));
    await waitFor(() => expect(ref).toHaveAccessibleDescription(fault.detail));
    expect(made).toBe(1);
  });
});
