import { waitFor } from "@testing-library/react";
import { delay, HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it } from "vitest";
import { recentDeploymentsQuery } from "./api/deployments";
import { newQueryClient } from "./api/query-client";
import { useSession } from "./api/session";
import { newRouter } from "./router";
import { signIn } from "./testing/render";
import { server } from "./testing/server";

const page = { items: [], next_cursor: null };

/** What the app knows of the latest deployments when their page can be drawn. */
async function arrive(patience: number): Promise<unknown> {
  history.replaceState(null, "", "/deployments");
  const client = newQueryClient();
  const router = newRouter(client, patience);
  await waitFor(() => expect(router.state.initialized).toBe(true));
  router.dispose();
  return client.getQueryData(recentDeploymentsQuery.queryKey)?.pages;
}

beforeEach(signIn);

describe("a page on its way", () => {
  it("waits a moment for what it begins with", async () => {
    server.use(http.get("*/api/v1/deployments", () => HttpResponse.json(page)));
    expect(await arrive(60_000)).toEqual([page]);
  });

  it("does not wait for an answer that takes long", async () => {
    server.use(http.get("*/api/v1/deployments", () => delay("infinite")));
    expect(await arrive(1)).toBeUndefined();
  });

  it("is drawn, and tells, when the answer is a refusal", async () => {
    server.use(
      http.get("*/api/v1/deployments", () => HttpResponse.json({ code: "x" }, { status: 403 })),
    );
    expect(await arrive(60_000)).toBeUndefined();
  });

  it("asks for nothing where nobody is signed in", async () => {
    useSession.setState({ state: "anonymous", user: null });
    localStorage.clear();
    let asked = false;
    server.use(
      http.get("*/api/v1/deployments", () => {
        asked = true;
        return HttpResponse.json(page);
      }),
    );
    expect(await arrive(60_000)).toBeUndefined();
    expect(asked).toBe(false);
  });
});
