import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { faultsOf, route } from "../rules.js";

const to = (when, extra = {}) => ({ name: "r", when, send: { to: "ops", message: "m" }, ...extra });
const meets = (when, event) => route([to(when)], "shop", event).length === 1;

test("every condition of a rule has to hold", () => {
  const when = { source: "shop", "event.a": 1 };
  assert.ok(meets(when, { a: 1 }));
  assert.ok(!meets(when, { a: 2 }));
  assert.ok(!meets({ ...when, source: "github" }, { a: 1 }));
  assert.ok(meets({}, {}));
});

test("each kind of condition", () => {
  const cases = [
    [{ is: 1 }, 1, "1"],
    [{ not: "x" }, "y", "x"],
    [{ in: ["a", "b"] }, "b", "c"],
    [{ contains: "fire" }, "a fire alarm", "smoke"],
    [{ contains: "red" }, ["red", "blue"], ["blue"]],
    [{ above: 5 }, 5.1, 5],
    [{ above: 5 }, 6, "6"],
    [{ below: 5 }, 4, 5],
    [{ above: 1, below: 3 }, 2, 3],
    [{ exists: true }, null, undefined],
    [{ exists: false }, undefined, 0],
  ];
  for (const [wanted, yes, no] of cases) {
    assert.ok(meets({ "event.x": wanted }, { x: yes }), `${JSON.stringify(wanted)} ${yes}`);
    assert.ok(!meets({ "event.x": wanted }, { x: no }), `${JSON.stringify(wanted)} ${no}`);
  }
});

test("paths reach into lists, and never into what the sender did not say", () => {
  assert.ok(meets({ "event.items.1.id": 7 }, { items: [{ id: 1 }, { id: 7 }] }));
  for (const path of ["event.constructor", "event.__proto__.toString", "event.a.length"]) {
    assert.ok(meets({ [path]: { exists: false } }, { a: null }), path);
  }
});

test("rules apply in order until one stops", () => {
  const rules = [to({}, { name: "a" }), to({}, { name: "b", stop: true }), to({}, { name: "c" })];
  assert.deepEqual(route(rules, "shop", {}).map(({ rule }) => rule), ["a", "b"]);
});

test("a message is filled from the event, keeps gaps visible and has a limit", () => {
  const say = (message, event) =>
    route([{ name: "r", when: {}, send: { to: "ops", message } }], "shop", event)[0].message;
  assert.equal(say("{{source}}: {{ event.a.b }}", { a: { b: 0 } }), "shop: 0");
  assert.equal(say("{{event.list}}", { list: [1] }), "[1]");
  assert.equal(say("Hello {{event.name}}", {}), "Hello (no event.name)");
  assert.equal(say("{{event.a}}", { a: "{{event.b}}", b: "x" }), "{{event.b}}");
  assert.equal(say("{{event.a}}", { a: "x".repeat(5000) }).length, 2000);
});

test("the rules that ship are sound", () => {
  assert.deepEqual(faultsOf(JSON.parse(readFileSync(new URL("../rules.json", import.meta.url)))), []);
});

test("every fault of a rules file is named at once", () => {
  assert.deepEqual(faultsOf({}), ["The file must hold a list of rules."]);
  const wrong = [
    { name: "a", when: { "event.x": { abov: 1 } }, send: { to: "ops" } },
    { name: "a", when: { "event.x": { above: "1" }, "event.y": { in: 3 }, z: 1 }, send: to({}).send },
    { when: [], send: to({}).send, stop: "yes", whne: {} },
    null,
  ];
  const faults = faultsOf(wrong).join("\n");
  for (const part of ["abov", '"to" and "message"', "earlier rule", "takes a number", "takes a list",
    '"z" must be', "rule 3: needs a name", "{} means every event", "true or false", '"whne"',
    "rule 4: must be an object"]) {
    assert.ok(faults.includes(part), `${part} in\n${faults}`);
  }
});
