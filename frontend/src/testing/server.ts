/** Stands in for the API in component tests, answering in the shapes of the generated schema. */
import { HttpResponse, http, type JsonBodyType } from "msw";
import { setupServer } from "msw/node";

export const server = setupServer();

type Method = "get" | "post" | "put" | "patch" | "delete";

/** Answers one route: `answer("get", "/agents", page)`. */
export function answer(
  method: Method,
  path: string,
  body: JsonBodyType,
  init: ResponseInit = {},
): void {
  server.use(http[method](`*/api/v1${path}`, () => HttpResponse.json(body, init)));
}

/** Refuses one route, as the API does. */
export function refuse(
  method: Method,
  path: string,
  status: number,
  detail: string,
  code = "refused",
  errors: { field: string; detail: string }[] = [],
): void {
  const problem = {
    type: `https://slipway.dev/errors/${code}`,
    title: "Refused",
    status,
    code,
    detail,
    trace_id: "trace-of-the-test",
    ...(errors.length > 0 ? { errors } : {}),
  };
  answer(method, path, problem, {
    status,
    headers: { "Content-Type": "application/problem+json" },
  });
}
