/** Starts the agent from its files and environment, and stops it without losing a webhook. */

import { readFileSync } from "node:fs";

import { createAgent } from "./agent.js";
import { parseDestinations } from "./delivery.js";

const DRAIN_MS = 10_000;

function logLine(level, message, facts = {}) {
  const timestamp = new Date().toISOString();
  process.stdout.write(`${JSON.stringify({ timestamp, level, message, ...facts })}\n`);
}

function main() {
  const port = Number(process.env.PORT || 3000);
  let agent;
  try {
    agent = createAgent({
      rules: JSON.parse(readFileSync(new URL("rules.json", import.meta.url), "utf8")),
      destinations: parseDestinations(process.env.DESTINATIONS),
      secret: process.env.WEBHOOK_SECRET,
      log: logLine,
    });
    agent.listen(port, process.env.HOST);
  } catch (error) {
    logLine("error", `cannot start: ${error.message}`);
    process.exitCode = 1;
    return;
  }
  agent.on("error", (error) => {
    logLine("error", `cannot listen on port ${port}: ${error.message}`);
    process.exit(1);
  });
  agent.on("listening", () => logLine("info", "listening", { port: agent.address().port }));

  // Take no more requests, finish those under way, then leave; a stuck one is not waited for.
  const stop = (signal) => {
    const forced = setTimeout(() => process.exit(1), DRAIN_MS);
    agent.close(() => {
      clearTimeout(forced);
      logLine("info", "stopped", { signal });
    });
    agent.closeIdleConnections();
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}

main();
