/**
 * Knows how to call the API: typed by the generated schema, with the session's token, the chosen
 * organisation, ETags, and every failure as an `ApiProblem`.
 */
import { dropEarly, early } from "./early";
import { useOrganisation } from "./organisation";
import { ApiProblem, problemOf, silence } from "./problem";
import type { paths } from "./schema.gen";
import { API, accessToken, refused, signInAgain, useSession, wasSignedIn } from "./session";

type Method = "get" | "post" | "put" | "patch" | "delete";
type Having<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends undefined ? never : P;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;

type Content<R> = R extends { content: { "application/json": infer B } } ? B : undefined;
type Ok = 200 | 201 | 202 | 204;
export type Answer<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { responses: infer R }
    ? { [S in keyof R & Ok]: Content<R[S]> }[keyof R & Ok]
    : never;
export type Body<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody?: infer B } ? Content<NonNullable<B>> : undefined;
export type Query<P extends keyof paths, M extends Method = "get"> =
  Operation<P, M> extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;
type Path<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { parameters: { path: infer V } } ? V : undefined;

interface Common {
  signal?: AbortSignal | undefined;
  /** The ETag or revision that was seen: guards against overwriting somebody else's change. */
  ifMatch?: string | number | undefined;
  /** The same key with the same body does the work once, however often it is sent. */
  idempotencyKey?: string | undefined;
  headers?: Record<string, string>;
  /** Asked as the person alone, whichever organisation is chosen. */
  asMyself?: boolean;
  /** Milliseconds after which a call counts as unanswered. */
  timeout?: number;
}
export type Options<P extends keyof paths, M extends Method> = Common &
  (Path<P, M> extends undefined ? { path?: undefined } : { path: Path<P, M> }) &
  (Query<P, M> extends never ? { query?: undefined } : { query?: Query<P, M> }) &
  (Body<P, M> extends undefined ? { body?: undefined } : { body: Body<P, M> });
type Given<P extends keyof paths, M extends Method> =
  Record<never, never> extends Options<P, M> ? [options?: Options<P, M>] : [options: Options<P, M>];

interface Loose extends Common {
  path?: Record<string, string> | undefined;
  query?: Record<string, unknown> | undefined;
  body?: unknown;
}

/** What was answered last at an address, to be confirmed by a 304 instead of sent again. */
const seen = new Map<string, { etag: string; body: unknown }>();
const MAX_SEEN = 300;

function caller<M extends Method>(method: M) {
  return <P extends Having<M>>(template: P, ...given: Given<P, M>): Promise<Answer<P, M>> =>
    call(method, template, (given[0] ?? {}) as Loose) as Promise<Answer<P, M>>;
}

export const api = {
  get: caller("get"),
  post: caller("post"),
  put: caller("put"),
  patch: caller("patch"),
  delete: caller("delete"),
};

/** Forgets every answer, as when another person signs in. */
export function forgetAnswers(): void {
  seen.clear();
  dropEarly();
}

/** A key for one intention: make it once, send it with every try. */
export function newIdempotencyKey(): string {
  return crypto.randomUUID();
}

async function call(method: Method, template: string, options: Loose): Promise<unknown> {
  const url = address(template, options);
  const believed = useSession.getState().state === "unknown" && wasSignedIn();
  const token = await accessToken();
  if (believed && token === null) {
    // The session is over after all: whoever stood behind the door is led away, and what their
    // page asked for ends with it. What anybody may read is asked for without a token.
    await new Promise((resolve) => setTimeout(resolve));
    options.signal?.throwIfAborted();
  }
  const response = await send(method, url, options, token);
  if (response.status === 401 && token !== null) {
    // Revoked, or the clocks disagree: one fresh token, one more try.
    refused(token);
    const fresh = await accessToken();
    if (fresh === null || fresh === token) throw signInAgain();
    return read(method, url, await send(method, url, options, fresh));
  }
  return read(method, url, response);
}

async function send(
  method: Method,
  url: string,
  options: Loose,
  token: string | null,
): Promise<Response> {
  const headers = new Headers({ Accept: "application/json", ...options.headers });
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  const { id: organisation } = useOrganisation.getState();
  if (organisation !== null && !options.asMyself) headers.set("Slipway-Organisation", organisation);
  if (method !== "get") headers.set("Content-Type", "application/json");
  if (options.ifMatch !== undefined) headers.set("If-Match", quoted(options.ifMatch));
  if (options.idempotencyKey) headers.set("Idempotency-Key", options.idempotencyKey);
  const known = method === "get" ? seen.get(memoryKey(url)) : undefined;
  if (known) headers.set("If-None-Match", known.etag);
  else if (method === "get" && token !== null && !options.headers && !options.asMyself) {
    const answer = await early(url, organisation, options.signal);
    if (answer) return answer;
  }
  const timeout = AbortSignal.timeout(options.timeout ?? 30_000);
  try {
    return await fetch(url, {
      method: method.toUpperCase(),
      headers,
      body: bodyOf(method, options.body),
      // Its own memory would mix organisations; ours does not.
      cache: "no-store",
      signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    });
  } catch (cause) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw silence(cause);
  }
}

async function read(method: Method, url: string, response: Response): Promise<unknown> {
  const key = memoryKey(url);
  if (response.status === 304) {
    const known = seen.get(key);
    if (known) return known.body;
  }
  if (!response.ok) throw await refusal(response);
  if (response.status === 204) return undefined;
  let body: unknown;
  try {
    body = await response.json();
  } catch (cause) {
    if (cause instanceof SyntaxError) throw unreadable(response);
    throw silence(cause);
  }
  const etag = response.headers.get("ETag");
  if (method === "get" && etag !== null) {
    seen.delete(key);
    seen.set(key, { etag, body });
    if (seen.size > MAX_SEEN) seen.delete(seen.keys().next().value ?? "");
  }
  return body;
}

/** Reads an answer that is text: one part of it, and the cursor of the next. */
export async function readLines(
  template: string,
  cursor: string | null,
): Promise<{ text: string; next: string | null }> {
  const url = address(template, { query: { cursor } });
  const headers = { Accept: "application/x-ndjson" };
  const response = await send("get", url, { headers, timeout: 60_000 }, await accessToken());
  if (!response.ok) throw await refusal(response);
  return { text: await response.text(), next: response.headers.get("Slipway-Next-Cursor") };
}

/** The problem; an organisation that the person is not in any more is chosen no longer. */
async function refusal(response: Response): Promise<ApiProblem> {
  const problem = await problemOf(response);
  const { id, lose } = useOrganisation.getState();
  if (problem.code === "organisation_unknown" && id !== null) lose(id);
  return problem;
}

function bodyOf(method: Method, body: unknown): string | null {
  if (method === "get" || (method === "delete" && body === undefined)) return null;
  return JSON.stringify(body ?? {});
}

function memoryKey(url: string): string {
  return `${useSession.getState().user?.id ?? ""} ${useOrganisation.getState().id ?? ""} ${url}`;
}

function address(template: string, options: Loose): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(options.path?.[name] ?? ""),
  );
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const search = query.toString();
  return `${API}${path}${search ? `?${search}` : ""}`;
}

function quoted(etag: string | number): string {
  const text = String(etag);
  return text.startsWith('"') || text.startsWith("W/") ? text : `"${text}"`;
}

function unreadable(response: Response): ApiProblem {
  return new ApiProblem({
    status: response.status,
    code: "unreadable",
    title: "The platform's answer cannot be read",
    detail: "Something between here and the platform changed it. Try again.",
    traceId: response.headers.get("X-Trace-Id") ?? undefined,
  });
}
