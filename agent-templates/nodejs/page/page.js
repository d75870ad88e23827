const form = document.querySelector("#ask");
const answer = document.querySelector("#answer");
const here = new URL(".", location.href);
const samples = {
  shop: { type: "order.paid", total: 820, currency: "EUR", customer: { name: "Ada" } },
  github: {
    action: "completed",
    repository: { full_name: "harbour/crane" },
    workflow_run: { name: "CI", conclusion: "failure", html_url: "https://example.com/runs/7" },
  },
  pager: { priority: "urgent", title: "Disk of db-2 is 95 % full" },
};

form.event.value = JSON.stringify(samples.shop, null, 2);
form.source.addEventListener("change", () => {
  const sample = samples[form.source.value];
  if (sample) form.event.value = JSON.stringify(sample, null, 2);
});
document.querySelector("#curl").textContent =
  `curl ${here}preview/shop -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(samples.shop)}'`;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const response = await fetch(new URL(`preview/${form.source.value}`, here), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: form.event.value,
    });
    const body = await response.json();
    show(...(response.ok ? matches(body) : [element("p", body.detail, "bad")]));
  } catch {
    show(element("p", "The agent did not answer. Is it still running?", "bad"));
  }
});

const { rules } = await (await fetch(new URL("rules", here))).json();
document.querySelector("#rules").append(
  ...rules.map(({ name, when, send, stop }) => {
    const conditions = Object.entries(when).map(([path, wanted]) => `${path} ${words(wanted)}`);
    const row = element("tr");
    row.append(
      element("td", stop ? `${name} (then stops)` : name),
      element("td", conditions.join(" and ") || "always"),
      element("td", send.to),
    );
    return row;
  }),
);

function words(wanted) {
  if (typeof wanted !== "object" || wanted === null) return `is ${wanted}`;
  const say = (argument) => (Array.isArray(argument) ? argument.join(" or ") : argument);
  return Object.entries(wanted).map(([test, argument]) => `${test} ${say(argument)}`).join(", ");
}

function matches(body) {
  if (!body.matches.length) return [element("p", "No rule matches: it would go nowhere.")];
  return body.matches.map(({ rule, to, message }) => {
    const quote = element("blockquote", message);
    quote.append(element("div", `to ${to}, by the rule ${rule}`, "quiet"));
    return quote;
  });
}

function show(...nodes) {
  answer.replaceChildren(element("h2", "Where it would go"), ...nodes);
}

function element(name, text = "", style = "") {
  const node = document.createElement(name);
  node.textContent = text;
  node.className = style;
  return node;
}
