/**
 * Knows who is signed in. The access token lives in this module's memory alone; what survives a
 * reload is an HttpOnly cookie that no script can read, traded here for a fresh access token.
 */
import { create } from "zustand";
import { ApiProblem, problemOf, silence } from "./problem";
import type { components } from "./schema.gen";

export type User = components["schemas"]["UserView"];
type Session = components["schemas"]["SessionView"];

/** `expired`: somebody was signed in here, and what they typed must not be lost. */
export type SessionState = "unknown" | "anonymous" | "signed-in" | "expired";

interface SessionStore {
  state: SessionState;
  user: User | null;
}

export const API = "/api/v1";
const HINT = "slipway.session";
const SKEW = 30_000;

export const useSession = create<SessionStore>(() => ({ state: "unknown", user: null }));

let access: { token: string; until: number } | null = null;
let refreshing: Promise<boolean> | null = null;

declare global {
  /** The trade that `first.js` has begun while this app was still under way. */
  var slipwayTrade: Promise<Response> | undefined;
}

const channel =
  typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("slipway.session");
channel?.addEventListener("message", (event: MessageEvent<unknown>) => {
  if (event.data === "signed-out") forget("anonymous");
  // Another tab has signed in: its cookie is ours too.
  if (event.data === "signed-in" && useSession.getState().state !== "signed-in") void refresh();
});

/** Takes over what signing in answered. */
export function begin(session: Session, { tell = true } = {}): void {
  const before = useSession.getState().user;
  access = { token: session.access_token, until: Date.now() + session.expires_in * 1000 };
  hint(true);
  // The same object as long as it is the same person: nothing that shows them draws again.
  const user =
    before && JSON.stringify(before) === JSON.stringify(session.user) ? before : session.user;
  useSession.setState({ state: "signed-in", user });
  if (tell) channel?.postMessage("signed-in");
}

/** Whether this browser was signed in when it was last here. */
export function wasSignedIn(): boolean {
  return hint();
}

/** A token that still holds, or null when nobody is signed in. */
export async function accessToken(): Promise<string | null> {
  if (access && access.until - SKEW > Date.now()) return access.token;
  const { state } = useSession.getState();
  if (access === null && state !== "unknown") return null;
  // Pages for everybody cause no call that must fail; pages behind the door ask by themselves.
  if (access === null && !hint()) return null;
  return (await refresh()) ? (access?.token ?? null) : null;
}

/** Says that a token was refused: it is not sent again. */
export function refused(token: string): void {
  if (access?.token === token) access = { token, until: 0 };
}

/**
 * Trades the cookie for a fresh access token; true when somebody is signed in. Callers share one
 * trade, and tabs take turns: the cookie changes with each, and one used twice counts as stolen.
 */
export function refresh(): Promise<boolean> {
  refreshing ??= inTurn(() => trade()).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/** Ends the session here and at the platform. */
export async function signOut(): Promise<void> {
  const token = access?.token;
  await fetch(`${API}/auth/sign-out`, {
    method: "POST",
    headers: {
      "X-Slipway-CSRF": "1",
      "Content-Type": "application/json",
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
    },
    body: "{}",
  }).catch(() => undefined);
  forget("anonymous");
  channel?.postMessage("signed-out");
}

async function trade(tries = 3): Promise<boolean> {
  let response: Response;
  try {
    response =
      (await begun()) ??
      (await fetch(`${API}/auth/refresh`, {
        method: "POST",
        headers: { "X-Slipway-CSRF": "1", "Content-Type": "application/json" },
        body: "{}",
        signal: AbortSignal.timeout(20_000),
      }));
  } catch (cause) {
    throw silence(cause);
  }
  if (response.ok) {
    begin((await response.json()) as Session, { tell: false });
    return true;
  }
  const problem = await problemOf(response);
  // Another window trades this very moment: its cookie is the next one.
  if (problem.status === 409 && tries > 1) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    return trade(tries - 1);
  }
  // Only a clear no ends a session; an API that stumbles does not.
  if (![400, 401, 403, 404].includes(problem.status)) throw problem;
  const { state } = useSession.getState();
  forget(state === "signed-in" || state === "expired" ? "expired" : "anonymous");
  return false;
}

/** The answer to the trade that was begun before this app was here, once. */
async function begun(): Promise<Response | null> {
  const trade = globalThis.slipwayTrade;
  globalThis.slipwayTrade = undefined;
  return (await trade?.catch(() => null)) ?? null;
}

function forget(state: "anonymous" | "expired"): void {
  access = null;
  hint(false);
  useSession.setState(state === "expired" ? { state } : { state, user: null });
}

async function inTurn(work: () => Promise<boolean>): Promise<boolean> {
  if (typeof navigator === "undefined" || !navigator.locks) return work();
  return await navigator.locks.request("slipway.refresh", async () => await work());
}

// Kept so that a visitor who never signed in causes no call that must fail. Holds no secret.
function hint(set?: boolean): boolean {
  try {
    if (set === true) localStorage.setItem(HINT, "1");
    if (set === false) localStorage.removeItem(HINT);
    return localStorage.getItem(HINT) === "1";
  } catch {
    return true;
  }
}

/** The problem that stands for "sign in again". */
export function signInAgain(): ApiProblem {
  return new ApiProblem({
    status: 401,
    code: "unauthenticated",
    title: "Sign in first",
    detail: "Your session has ended. Sign in again; what you typed stays here.",
  });
}
