/**
 * Who sent a webhook, and how messages get to their destinations. Addresses come only from the
 * owner's configuration, never from an event: a sender cannot make this agent call anything else.
 */

import { createHmac, timingSafeEqual } from "node:crypto";

const TIMEOUT_MS = 5_000;

/** Read "name=https://…" entries, separated by commas or white space, into a map. */
export function parseDestinations(text = "") {
  const destinations = new Map();
  for (const entry of text.split(/[\s,]+/).filter(Boolean)) {
    const [, name, address] = /^([\w-]+)=(https?:\/\/\S+)$/.exec(entry) ?? [];
    if (!name || !URL.canParse(address)) {
      // The entry itself may hold a secret address, so it is not repeated here.
      throw new Error("DESTINATIONS must look like ops=https://example.com/hook,sales=https://…");
    }
    destinations.set(name, address);
  }
  return destinations;
}

/** Whether the body was signed with the shared secret, as GitHub and many others do it. */
export function isSigned(secret, body, header = "") {
  const expected = createHmac("sha256", secret).update(body).digest();
  const given = Buffer.from(header.replace(/^sha256=/, ""), "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Send every match to its destination at once, and say what became of each. */
export function deliver(matches, destinations, source) {
  return Promise.all(
    matches.map(async (match) => {
      const address = destinations.get(match.to);
      if (!address) return { ...match, delivery: "not_configured" };
      try {
        const response = await fetch(address, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          // "text" is what chat services read; the rest is for programs.
          body: JSON.stringify({ text: match.message, rule: match.rule, source }),
          redirect: "manual",
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        await response.body?.cancel();
        const delivery = response.ok ? "delivered" : "refused";
        return { ...match, delivery, status: response.status };
      } catch (error) {
        const delivery = error.name === "TimeoutError" ? "timed_out" : "unreachable";
        return { ...match, delivery };
      }
    }),
  );
}
