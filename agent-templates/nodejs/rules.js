/**
 * What a rule is, which rules an event meets, and what each of them then says. Pure: no network,
 * no clock, no environment.
 *
 * A rule: {name, when, send: {to, message}, stop?}. `when` maps paths such as "event.order.total"
 * to what must be found there; all have to hold. A plain value must be equal; an object holds one
 * or more of the tests below. `stop` ends the list for an event that meets the rule.
 */

const TESTS = {
  is: (found, wanted) => found === wanted,
  not: (found, wanted) => found !== wanted,
  in: (found, wanted) => wanted.includes(found),
  contains: (found, wanted) =>
    (typeof found === "string" || Array.isArray(found)) && found.includes(wanted),
  exists: (found, wanted) => (found !== undefined) === wanted,
  above: (found, wanted) => typeof found === "number" && found > wanted,
  below: (found, wanted) => typeof found === "number" && found < wanted,
};
const ARGUMENTS = { in: "list", exists: "boolean", above: "number", below: "number" };
const LONGEST_MESSAGE = 2000;

/** Which rules the event meets, in order, each with its destination and message. */
export function route(rules, source, event) {
  const facts = { source, event };
  const matches = [];
  for (const rule of rules) {
    if (!meets(rule.when, facts)) continue;
    const message = render(rule.send.message, facts);
    matches.push({ rule: rule.name, to: rule.send.to, message });
    if (rule.stop) break;
  }
  return matches;
}

/** Every fault of a rules file, so that a wrong rule stops the start and not a webhook. */
export function faultsOf(rules) {
  if (!Array.isArray(rules)) return ["The file must hold a list of rules."];
  const faults = [];
  const names = new Set();
  rules.forEach((rule, index) => {
    const label = typeof rule?.name === "string" && rule.name ? rule.name : `rule ${index + 1}`;
    const fault = (detail) => faults.push(`${label}: ${detail}`);
    if (!isObject(rule)) return fault("must be an object.");
    if (!rule.name || typeof rule.name !== "string") fault("needs a name.");
    if (names.has(rule.name)) fault("has the name of an earlier rule.");
    names.add(rule.name);
    for (const key of Object.keys(rule)) {
      if (!["name", "when", "send", "stop"].includes(key)) fault(`"${key}" is not known.`);
    }
    if (!isObject(rule.when)) fault('needs "when"; {} means every event.');
    else for (const [path, wanted] of Object.entries(rule.when)) faultsOfTest(path, wanted, fault);
    if (typeof rule.send?.to !== "string" || typeof rule.send?.message !== "string") {
      fault('needs "send" with "to" and "message".');
    }
    if (!["undefined", "boolean"].includes(typeof rule.stop)) fault('"stop" is true or false.');
  });
  return faults;
}

function faultsOfTest(path, wanted, fault) {
  if (path !== "source" && path !== "event" && !path.startsWith("event.")) {
    fault(`"${path}" must be "source" or begin with "event.".`);
  }
  if (!isObject(wanted)) return;
  for (const [test, argument] of Object.entries(wanted)) {
    const kind = ARGUMENTS[test];
    if (!Object.hasOwn(TESTS, test)) {
      fault(`"${test}" is no test; known are ${Object.keys(TESTS).join(", ")}.`);
    } else if (kind === "list" ? !Array.isArray(argument) : kind && typeof argument !== kind) {
      fault(`"${test}" at ${path} takes a ${kind}.`);
    }
  }
}

function meets(when, facts) {
  return Object.entries(when).every(([path, wanted]) => {
    const found = at(facts, path);
    if (!isObject(wanted)) return found === wanted;
    return Object.entries(wanted).every(([test, argument]) => TESTS[test](found, argument));
  });
}

/** Fill {{paths}}; what is not there stays visible as "(no event.x)" instead of vanishing. */
function render(template, facts) {
  const text = template.replace(/\{\{\s*([\w.-]+)\s*\}\}/g, (_, path) => {
    const found = at(facts, path);
    if (found === undefined || found === null) return `(no ${path})`;
    return typeof found === "object" ? JSON.stringify(found) : String(found);
  });
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE - 1)}…` : text;
}

function at(facts, path) {
  let value = facts;
  for (const key of path.split(".")) {
    // Own keys only: "event.constructor" is something the sender did not say.
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
