import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const server = fileURLToPath(new URL("../server.js", import.meta.url));

test("starts, finishes what is under way on SIGTERM, and logs JSON", async () => {
  const agent = run({ PORT: "0", HOST: "127.0.0.1" });
  const [first] = await once(agent.stdout, "data");
  const { message, port } = JSON.parse(first);
  assert.equal(message, "listening");

  // The body comes in two halves, with the signal in between.
  let send;
  const body = new ReadableStream({ start: (controller) => (send = controller) });
  send.enqueue(new TextEncoder().encode('{"priority":'));
  const url = `http://127.0.0.1:${port}/preview/pager`;
  const pending = fetch(url, { method: "POST", body, duplex: "half" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  agent.kill("SIGTERM");
  send.enqueue(new TextEncoder().encode('"urgent"}'));
  send.close();

  const response = await pending;
  assert.equal((await response.json()).matches[0].rule, "anything-urgent");
  const [code] = await once(agent, "close");
  assert.equal(code, 0);
  assert.equal(JSON.parse(agent.output.trim().split("\n").at(-1)).message, "stopped");
});

test("says in one line why it cannot start", async () => {
  const agent = run({ DESTINATIONS: "wrong" });
  const [code] = await once(agent, "close");
  assert.equal(code, 1);
  assert.match(JSON.parse(agent.output).message, /DESTINATIONS must look like/);
});

function run(env) {
  const agent = spawn(process.execPath, [server], { env: { ...process.env, ...env } });
  agent.output = "";
  agent.stdout.on("data", (data) => (agent.output += data));
  return agent;
}
