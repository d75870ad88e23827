/** The agent as a web service: what it answers and what it refuses. */

import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";

import { deliver, isSigned } from "./delivery.js";
import { faultsOf, route } from "./rules.js";

const MAX_BODY_BYTES = 1024 * 1024;
const SOURCE = /^[A-Za-z0-9][\w-]{0,63}$/;
const PAGE = new Map(
  readdirSync(new URL("page/", import.meta.url)).map((name) => [
    name,
    readFileSync(new URL(`page/${name}`, import.meta.url)),
  ]),
);
const PAGE_TYPES = { html: "text/html", css: "text/css", js: "text/javascript" };
const PAGE_HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
    "img-src data:; base-uri 'none'; form-action 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  Vary: "Accept",
};
const EVENT = { type: "object", description: "Any JSON object: the webhook's own body." };
const DESCRIPTION = {
  name: "webhook-router",
  description: "Receives webhooks and sends each one where your rules say.",
  actions: [
    {
      name: "receive",
      method: "POST",
      path: "/events/{source}",
      description: "Routes the event and delivers the messages.",
      input: EVENT,
    },
    {
      name: "preview",
      method: "POST",
      path: "/preview/{source}",
      description: "Says which rules the event meets, and sends nothing.",
      input: EVENT,
    },
    { name: "rules", method: "GET", path: "/rules", description: "The rules in force." },
  ],
  parameters: { source: { type: "string", pattern: SOURCE.source } },
  health: "/health",
};

/** A request that cannot be answered as asked. */
class Refused extends Error {
  constructor(status, detail, headers = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

/** The server for these rules, destinations and secret; `log` takes level, message and facts. */
export function createAgent({ rules, destinations, secret, log }) {
  const faults = faultsOf(rules);
  if (faults.length) throw new Error(`rules.json cannot be used. ${faults.join(" ")}`);

  const answers = [
    ["GET", /^\/$/, (request) => home(request)],
    ["GET", /^\/health$/, () => json(200, { status: "ok", rules: rules.length })],
    ["GET", /^\/rules$/, () => json(200, { rules })],
    ["GET", /^\/page\/([\w.]+)$/, (_, name) => pageFile(name)],
    ["POST", /^\/preview\/([^/]+)$/, preview],
    ["POST", /^\/events\/([^/]+)$/, receive],
  ];

  async function preview(request, source) {
    const event = parseEvent(source, await readBody(request));
    return json(200, { source, matches: route(rules, source, event) });
  }

  async function receive(request, source) {
    const body = await readBody(request);
    const headers = request.headers;
    const signature = headers["x-hub-signature-256"] ?? headers["x-signature-256"];
    if (secret && !isSigned(secret, body, signature)) {
      throw new Refused(401, "Sign the body: X-Signature-256: sha256=<HMAC-SHA-256 in hex>.");
    }
    const matches = route(rules, source, parseEvent(source, body));
    const results = await deliver(matches, destinations, source);
    for (const { rule, to, delivery } of results) {
      log(delivery === "delivered" ? "info" : "warn", "routed", { source, rule, to, delivery });
    }
    // Only a failure that trying again may cure asks the sender to try again.
    const failed = results.some(({ delivery }) => ["timed_out", "unreachable"].includes(delivery));
    return json(failed ? 502 : 200, { source, matches: results });
  }

  async function answer(request) {
    const path = request.url.split("?", 1)[0];
    const method = request.method === "HEAD" ? "GET" : request.method;
    const here = answers.filter(([, pattern]) => pattern.test(path));
    if (!here.length) throw new Refused(404, "There is nothing here; GET / says what there is.");
    const found = here.find(([allowed]) => allowed === method);
    if (!found) {
      const allow = here.map(([allowed]) => allowed).join(", ");
      throw new Refused(405, `Use ${allow} here.`, { Allow: allow });
    }
    return found[2](request, ...found[1].exec(path).slice(1));
  }

  const server = createServer(async (request, response) => {
    const began = performance.now();
    let result;
    try {
      result = await answer(request);
    } catch (error) {
      if (!(error instanceof Refused)) log("error", "request failed", { error: error.stack });
      result = problem(error);
    }
    // An unread rest of a body would be taken for the next request on this connection; and a
    // connection kept open would keep an agent that is stopping from leaving.
    if (!request.complete || !server.listening) result.headers.Connection = "close";
    response.writeHead(result.status, {
      ...result.headers,
      "Content-Length": Buffer.byteLength(result.body),
    });
    response.end(request.method === "HEAD" ? undefined : result.body);
    if (request.url === "/health") return;
    log(result.status === 500 ? "error" : "info", "request", {
      method: request.method,
      path: request.url.split("?", 1)[0],
      status: result.status,
      duration_ms: Math.round((performance.now() - began) * 10) / 10,
    });
  });
  return server;
}

function home(request) {
  if (request.headers.accept?.includes("text/html")) return pageFile("index.html");
  return json(200, DESCRIPTION, { Vary: "Accept" });
}

function pageFile(name) {
  if (!PAGE.has(name)) throw new Refused(404, "The page has no such file.");
  const type = `${PAGE_TYPES[name.split(".").pop()]}; charset=utf-8`;
  return { status: 200, headers: { ...PAGE_HEADERS, "Content-Type": type }, body: PAGE.get(name) };
}

async function readBody(request) {
  const chunks = [];
  let size = 0;
  try {
    // The connection has to live on: it still carries the refusal.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) break;
      chunks.push(chunk);
    }
  } catch {
    throw new Refused(400, "The connection ended before the event did.");
  }
  if (size > MAX_BODY_BYTES) {
    throw new Refused(413, `An event may have ${MAX_BODY_BYTES} bytes at most.`);
  }
  return Buffer.concat(chunks);
}

function parseEvent(source, body) {
  if (!SOURCE.test(source)) {
    throw new Refused(422, "The source is a name of letters, digits, - and _, 64 at most.");
  }
  let event;
  try {
    event = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw new Refused(400, `The event is not valid JSON: ${error.message}.`);
  }
  if (typeof event !== "object" || event === null || Array.isArray(event)) {
    throw new Refused(422, 'The event must be a JSON object such as {"type": "order.paid"}.');
  }
  return event;
}

function json(status, value, headers = {}) {
  return {
    status,
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(value),
  };
}

/** Every refusal in one shape (RFC 9457). */
function problem(error) {
  const known = error instanceof Refused;
  const status = known ? error.status : 500;
  const title = known ? "The request was refused" : "The agent failed";
  const detail = known ? error.message : "The reason is in the agent's log.";
  const headers = { ...error.headers, "Content-Type": "application/problem+json" };
  return { status, headers, body: JSON.stringify({ title, status, detail }) };
}
