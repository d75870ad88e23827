import { HttpResponse, http } from "msw";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { server } from "@/testing/server";
import { api, forgetAnswers } from "./client";
import { useOrganisation } from "./organisation";
import { ApiProblem } from "./problem";
import { accessToken, begin, refresh, useSession } from "./session";

const session = (token: string) => ({
  access_token: token,
  token_type: "Bearer" as const,
  expires_in: 900,
  return_to: "/agents",
  user: { id: "usr_1", email: "ada@example.org", name: "Ada" },
});
const page = { items: [], next_cursor: null };
const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as ApiProblem,
  );

beforeEach(() => {
  forgetAnswers();
  useOrganisation.setState({ id: null });
  begin(session("first"), { tell: false });
});

describe("calling the API", () => {
  it("sends who asks, for which organisation, and what was seen", async () => {
    const seen: Headers[] = [];
    server.use(
      http.patch("*/api/v1/agents/agt_1", ({ request }) => {
        seen.push(request.headers);
        return HttpResponse.json({ id: "agt_1" });
      }),
    );
    useOrganisation.setState({ id: "org_2" });
    await api.patch("/agents/{agent_id}", {
      path: { agent_id: "agt_1" },
      body: { name: "New" },
      ifMatch: 7,
    });
    expect(seen[0]?.get("Authorization")).toBe("Bearer first");
    expect(seen[0]?.get("Slipway-Organisation")).toBe("org_2");
    expect(seen[0]?.get("If-Match")).toBe('"7"');
  });

  it("gives the same object again when nothing has changed, and never another organisation's", async () => {
    server.use(
      http.get("*/api/v1/agents", ({ request }) => {
        if (request.headers.get("If-None-Match") === '"3"') {
          return new HttpResponse(null, { status: 304, headers: { ETag: '"3"' } });
        }
        return HttpResponse.json(page, { headers: { ETag: '"3"' } });
      }),
    );
    const first = await api.get("/agents");
    expect(await api.get("/agents")).toBe(first);
    useOrganisation.setState({ id: "org_2" });
    expect(await api.get("/agents")).not.toBe(first);
  });

  it("makes one typed problem of a refusal, with its trace and its fields", async () => {
    server.use(
      http.post("*/api/v1/agents", () =>
        HttpResponse.json(
          {
            title: "No",
            status: 422,
            code: "invalid",
            detail: "Some fields are wrong.",
            trace_id: "t1",
            errors: [{ field: "name", detail: "Too long." }],
          },
          { status: 422, headers: { "Retry-After": "2" } },
        ),
      ),
    );
    const problem = await caught(api.post("/agents", { body: { name: "x" } }));
    expect(problem).toBeInstanceOf(ApiProblem);
    expect(problem).toMatchObject({
      status: 422,
      code: "invalid",
      traceId: "t1",
      retryAfter: 2000,
    });
    expect(problem?.field("name")).toBe("Too long.");
    expect(problem?.beside("name", "colour")).toBeUndefined();
    expect(problem?.beside("colour")).toBe(problem);
    expect(problem?.passing).toBe(false);
  });

  it.each([
    ["no answer", () => HttpResponse.error(), 0],
    ["a page of a proxy", () => new HttpResponse("<html>", { status: 502 }), 502],
  ])("makes a passing problem of %s", async (_, answer, status) => {
    server.use(http.get("*/api/v1/agents", answer));
    const problem = await caught(api.get("/agents"));
    expect(problem).toMatchObject({ status, passing: true });
  });

  it("says that an answer was cut off", async () => {
    server.use(http.get("*/api/v1/agents", () => new HttpResponse('{"items": [')));
    expect(await caught(api.get("/agents"))).toMatchObject({ code: "unreadable" });
  });

  it("gets one fresh token for all calls that were refused, and repeats them", async () => {
    let trades = 0;
    server.use(
      http.get("*/api/v1/agents", ({ request }) =>
        request.headers.get("Authorization") === "Bearer second"
          ? HttpResponse.json(page)
          : HttpResponse.json({ code: "unauthenticated" }, { status: 401 }),
      ),
      http.post("*/api/v1/auth/refresh", ({ request }) => {
        trades += 1;
        expect(request.headers.get("X-Slipway-CSRF")).toBe("1");
        return HttpResponse.json(session("second"));
      }),
    );
    await Promise.all([api.get("/agents"), api.get("/agents"), api.get("/agents")]);
    expect(trades).toBe(1);
    expect(useSession.getState().state).toBe("signed-in");
  });

  it("keeps the page when a session has ended, and knows whose it was", async () => {
    server.use(
      http.get("*/api/v1/agents", () => HttpResponse.json({}, { status: 401 })),
      http.post("*/api/v1/auth/refresh", () => HttpResponse.json({}, { status: 401 })),
    );
    expect(await caught(api.get("/agents"))).toMatchObject({ status: 401 });
    expect(useSession.getState()).toMatchObject({
      state: "expired",
      user: { email: "ada@example.org" },
    });
  });

  it("does not end a session because the platform stumbles", async () => {
    server.use(
      http.get("*/api/v1/agents", () => HttpResponse.json({}, { status: 401 })),
      http.post("*/api/v1/auth/refresh", () => HttpResponse.json({}, { status: 503 })),
    );
    expect(await caught(api.get("/agents"))).toMatchObject({ status: 503 });
    expect(useSession.getState().state).toBe("signed-in");
  });

  it("asks nothing more for a page that its reader is led away from", async () => {
    // A browser that was signed in when last here, and is not any more.
    vi.resetModules();
    localStorage.setItem("slipway.session", "1");
    const fresh = await import("./client");
    const { useSession: store } = await import("./session");
    let asked = 0;
    server.use(
      http.post("*/api/v1/auth/refresh", () => HttpResponse.json({}, { status: 401 })),
      http.get("*/api/v1/agents", () => {
        asked += 1;
        return HttpResponse.json(page);
      }),
    );
    const leaving = new AbortController();
    store.subscribe(({ state }) => {
      if (state === "anonymous") leaving.abort();
    });
    expect(await caught(fresh.api.get("/agents", { signal: leaving.signal }))).toBeDefined();
    expect(store.getState().state).toBe("anonymous");
    expect(asked).toBe(0);
    // What anybody may read is read all the same.
    await fresh.api.get("/agents");
    expect(asked).toBe(1);
  });

  it("takes over the trade that was begun before the app was here, once", async () => {
    let trades = 0;
    server.use(
      http.post("*/api/v1/auth/refresh", () => {
        trades += 1;
        return HttpResponse.json(session("second"));
      }),
    );
    globalThis.slipwayTrade = Promise.resolve(Response.json(session("first")));
    await refresh();
    expect(await accessToken()).toBe("first");
    expect(trades).toBe(0);
    await refresh();
    expect(await accessToken()).toBe("second");
    expect(trades).toBe(1);
  });

  it("trades itself when the one that was begun came to nothing", async () => {
    server.use(http.post("*/api/v1/auth/refresh", () => HttpResponse.json(session("second"))));
    globalThis.slipwayTrade = Promise.reject(new TypeError("the line was down"));
    await refresh();
    expect(await accessToken()).toBe("second");
  });
});

describe("what was asked for before the app was here", () => {
  const path = { agent_id: "agt_1" };
  const asked = (answer: Promise<Response>, organisation: string | null = null, at = 0) => {
    globalThis.slipwayReads = {
      at: performance.now() - at,
      organisation,
      answers: new Map([["/api/v1/agents/agt_1", answer]]),
    };
  };
  const names = async () => (await api.get("/agents/{agent_id}", { path })).name;

  beforeEach(() => {
    server.use(
      http.get("*/api/v1/agents/agt_1", () => HttpResponse.json({ id: "agt_1", name: "late" })),
    );
  });

  it("is taken over, once", async () => {
    asked(Promise.resolve(Response.json({ id: "agt_1", name: "early" })));
    expect(await names()).toBe("early");
    expect(await names()).toBe("late");
  });

  it("is asked for again when the line was down", async () => {
    asked(Promise.reject(new TypeError("the line was down")));
    expect(await names()).toBe("late");
  });

  it("is asked for again with a fresh token when its own is refused", async () => {
    asked(Promise.resolve(Response.json({ code: "unauthenticated" }, { status: 401 })));
    server.use(http.post("*/api/v1/auth/refresh", () => HttpResponse.json(session("second"))));
    expect(await names()).toBe("late");
  });

  it("does not stand for another organisation's, an old one, or another person's", async () => {
    const early = () => Promise.resolve(Response.json({ id: "agt_1", name: "early" }));
    asked(early(), "org_2");
    expect(await names()).toBe("late");
    forgetAnswers();
    asked(early(), null, 60_000);
    expect(await names()).toBe("late");
    asked(early());
    forgetAnswers();
    expect(await names()).toBe("late");
  });

  it("ends with whoever wanted it", async () => {
    asked(new Promise(() => undefined));
    const wanted = new AbortController();
    const answer = caught(api.get("/agents/{agent_id}", { path, signal: wanted.signal }));
    wanted.abort();
    expect((await answer)?.name).toBe("AbortError");
  });
});
