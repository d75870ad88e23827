/** Knows what can go wrong with a call, as one type: an answer of RFC 9457, or no answer at all. */

export interface FieldFault {
  field: string;
  detail: string;
  line?: number;
}

interface ProblemInit {
  status: number;
  code: string;
  title: string;
  detail: string;
  traceId?: string | undefined;
  fields?: FieldFault[] | undefined;
  /** Milliseconds until the API wants to be asked again. */
  retryAfter?: number | undefined;
}

/**
 * Everything the API refused, and everything that kept us from hearing it. `status` is 0 when
 * there was no answer; `code` is stable and what programs decide by; `detail` is for people.
 */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly traceId: string | undefined;
  readonly fields: FieldFault[];
  readonly retryAfter: number | undefined;

  constructor(init: ProblemInit) {
    super(`${init.title}: ${init.detail}`);
    this.name = "ApiProblem";
    this.status = init.status;
    this.code = init.code;
    this.title = init.title;
    this.detail = init.detail;
    this.traceId = init.traceId;
    this.fields = init.fields ?? [];
    this.retryAfter = init.retryAfter;
  }

  /** What is wrong with one field of the form, or within it, if the API named it. */
  field(name: string): string | undefined {
    return this.fields.find((fault) => isAt(fault, name))?.detail;
  }

  /** Itself, unless every fault that it names has its place at one of these fields. */
  beside(...names: string[]): ApiProblem | undefined {
    const placed = this.fields.filter((fault) => names.some((name) => isAt(fault, name)));
    return placed.length > 0 && placed.length === this.fields.length ? undefined : this;
  }

  /** Whether asking the same again would be refused again: a link that is used stays used. */
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && !this.passing;
  }

  /** The same under a title that says what it means here. */
  under(title: string) {
    return { title, detail: this.detail, traceId: this.traceId };
  }

  /** Whether asking again may help. */
  get passing(): boolean {
    return [0, 408, 429, 502, 503, 504].includes(this.status);
  }
}

/** A fault within a list or below a name is the field's own: "tags.2", "items.0.name". */
function isAt({ field }: FieldFault, name: string): boolean {
  return field === name || field.startsWith(`${name}.`) || field.endsWith(`.${name}`);
}

/** Reads a refused answer, whatever it holds. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const traceId = response.headers.get("X-Trace-Id") ?? undefined;
  const retryAfter = retryAfterOf(response);
  const text = await response.text().catch(() => "");
  const told = parse(text);
  return new ApiProblem({
    status: response.status,
    code: string(told.code) ?? "unreadable",
    title: string(told.title) ?? `The platform answered ${response.status}`,
    detail: string(told.detail) ?? string(told.message) ?? "Its answer cannot be read. Try again.",
    traceId: string(told.trace_id) ?? traceId,
    fields: Array.isArray(told.errors) ? (told.errors as FieldFault[]) : undefined,
    retryAfter,
  });
}

/** What a call that got no answer says to people. */
export function silence(cause: unknown): ApiProblem {
  const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
  const offline = typeof navigator !== "undefined" && navigator.onLine === false;
  return new ApiProblem({
    status: 0,
    code: offline ? "offline" : timedOut ? "timeout" : "unreachable",
    title: offline ? "You are offline" : "No answer",
    detail: offline
      ? "This goes on as soon as there is a connection again."
      : timedOut
        ? "The platform did not answer in time. Try again."
        : "The platform cannot be reached. Check your connection and try again.",
  });
}

/** Anything thrown, as a problem people can be shown. */
export function asProblem(thrown: unknown): ApiProblem {
  if (thrown instanceof ApiProblem) return thrown;
  return new ApiProblem({
    status: -1,
    code: "page_fault",
    title: "This page failed",
    detail: thrown instanceof Error ? thrown.message : String(thrown),
  });
}

/** The answer's Retry-After, in milliseconds. */
export function retryAfterOf(response: Response): number | undefined {
  const given = response.headers.get("Retry-After");
  if (given === null) return undefined;
  const seconds = /^\d+$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.min(seconds, 300)) * 1000 : undefined;
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function string(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
