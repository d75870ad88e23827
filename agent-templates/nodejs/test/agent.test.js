import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { createAgent } from "../agent.js";
import { parseDestinations } from "../delivery.js";

const rules = [
  { name: "big", when: { "event.total": { above: 10 } }, send: { to: "ops", message: "{{event.total}}!" } },
  { name: "lost", when: { source: "lost" }, send: { to: "nobody", message: "m" } },
  { name: "down", when: { source: "down" }, send: { to: "down", message: "m" } },
];
const received = [];
let inbox, agent, signed, base, signedBase;

before(async () => {
  inbox = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    received.push(JSON.parse(text));
    response.end();
  });
  const ops = await listen(inbox);
  const destinations = parseDestinations(`ops=${ops}/hook, down=http://127.0.0.1:1/`);
  const log = () => {};
  agent = createAgent({ rules, destinations, log });
  signed = createAgent({ rules, destinations, log, secret: "s3cret" });
  base = await listen(agent);
  signedBase = await listen(signed);
});

after(() => {
  for (const server of [inbox, agent, signed]) {
    server.close();
    server.closeAllConnections();
  }
});

test("is healthy", async () => {
  assert.deepEqual(await call("GET", "/health"), [200, { status: "ok", rules: 3 }]);
});

test("describes itself to programs and shows people a page", async () => {
  const [, description] = await call("GET", "/");
  assert.equal(description.actions[0].path, "/events/{source}");
  const page = await fetch(base, { headers: { Accept: "text/html,*/*" } });
  assert.match(page.headers.get("content-security-policy"), /default-src 'none'/);
  assert.match(await page.text(), /<h1>Webhook router<\/h1>/);
  for (const name of ["page.css", "page.js"]) {
    assert.equal((await fetch(`${base}/page/${name}`)).status, 200);
  }
  assert.equal((await fetch(base, { method: "HEAD" })).status, 200);
});

test("a preview says where an event would go and sends nothing", async () => {
  const [status, body] = await call("POST", "/preview/shop", { total: 11 });
  assert.deepEqual([status, body.matches], [200, [{ rule: "big", to: "ops", message: "11!" }]]);
  assert.equal(received.length, 0);
});

test("an event is delivered, and the answer says what became of each message", async () => {
  const [status, body] = await call("POST", "/events/shop", { total: 12 });
  assert.equal(status, 200);
  assert.equal(body.matches[0].delivery, "delivered");
  assert.deepEqual(received, [{ text: "12!", rule: "big", source: "shop" }]);
});

test("a destination nobody configured is said, not hidden", async () => {
  const [status, body] = await call("POST", "/events/lost", {});
  assert.deepEqual([status, body.matches[0].delivery], [200, "not_configured"]);
});

test("a destination that is down asks the sender to try again", async () => {
  const [status, body] = await call("POST", "/events/down", {});
  assert.deepEqual([status, body.matches[0].delivery], [502, "unreachable"]);
});

test("with a secret, only signed events count", async () => {
  const event = JSON.stringify({ total: 1 });
  const send = async (signature) => {
    const headers = signature ? { "X-Hub-Signature-256": signature } : {};
    return (await fetch(`${signedBase}/events/shop`, { method: "POST", body: event, headers })).status;
  };
  const right = createHmac("sha256", "s3cret").update(event).digest("hex");
  assert.equal(await send(`sha256=${right}`), 200);
  for (const wrong of [undefined, "", "sha256=", "sha256=zz", `sha256=${right.replace(/./, "x")}`]) {
    assert.equal(await send(wrong), 401, wrong);
  }
});

test("what cannot be used is refused with a reason", async () => {
  const cases = [
    [400, "POST", "/preview/shop", "{"],
    [400, "POST", "/preview/shop", Buffer.from([0x22, 0xff, 0x22])],
    [404, "GET", "/nothing"],
    [404, "GET", "/page/..%2Fserver.js"],
    [405, "GET", "/events/shop"],
    [405, "DELETE", "/"],
    [413, "POST", "/preview/shop", "x".repeat(1024 * 1024 + 1)],
    [422, "POST", "/preview/shop", "[1]"],
    [422, "POST", "/preview/a%20b", "{}"],
  ];
  for (const [wanted, method, path, body] of cases) {
    const [status, problem] = await call(method, path, body);
    assert.deepEqual([status, problem.status], [wanted, wanted], `${method} ${path}`);
    assert.ok(problem.detail);
  }
});

test("wrong rules and destinations stop the start", () => {
  assert.throws(() => createAgent({ rules: [{}] }), /rule 1: needs a name/);
  for (const wrong of ["ops", "ops=ftp://x", "=https://x", "ops=https://"]) {
    assert.throws(() => parseDestinations(wrong), /must look like/, wrong);
  }
  assert.equal(parseDestinations().size, 0);
});

async function call(method, path, body) {
  const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
  const response = await fetch(base + path, { method, body: raw ? body : JSON.stringify(body) });
  return [response.status, await response.json()];
}

function listen(server) {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });
}
