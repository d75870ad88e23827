const form = document.querySelector("#ask");
const answer = document.querySelector("#answer");
const table = document.querySelector("#table");
const file = document.querySelector("#file");
const here = new URL("profile", location.href);

document.querySelector("#curl").textContent =
  `curl ${here} -H 'Content-Type: text/csv' --data-binary @table.csv`;

file.addEventListener("change", async () => {
  if (file.files.length) table.value = await file.files[0].text();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  here.search = new URLSearchParams({ header: document.querySelector("#header").value });
  try {
    const headers = { "Content-Type": "text/csv" };
    const response = await fetch(here, { method: "POST", headers, body: table.value });
    const body = await response.json();
    show(...(response.ok ? profile(body) : [element("p", body.detail, "bad")]));
  } catch {
    show(element("p", "The agent did not answer. Is it still running?", "bad"));
  }
});

function profile({ rows, columns, warnings, separator }) {
  const head = ["Column", "Type", "Filled", "Distinct", "Range", "Most often"].map((title) => {
    const cell = element("th", title);
    cell.scope = "col";
    return cell;
  });
  const list = element("table");
  list.append(row(head), ...columns.map((column) => describe(column, rows)));
  const scroller = element("div", "", "wide");
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", "Columns");
  scroller.append(list);
  return [
    element("p", `${rows} rows, ${columns.length} columns, separated by ${separator}`),
    scroller,
    ...warnings.map(({ line, detail }) => element("p", line ? `Line ${line}: ${detail}` : detail, "bad")),
  ];
}

function describe(column, rows) {
  const filled = element("td", `${column.filled} `, "number");
  const meter = element("meter");
  meter.max = rows || 1;
  meter.value = column.filled;
  meter.setAttribute("aria-label", `${column.filled} of ${rows}`);
  filled.append(meter);
  const tidy = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
  const range = "min" in column
    ? `${tidy.format(column.min)} to ${tidy.format(column.max)}, mean ${tidy.format(column.mean)}`
    : "longest" in column ? `${column.shortest} to ${column.longest} characters` : "";
  return row([
    element("td", column.name),
    element("td", column.type),
    filled,
    element("td", `${column.distinct}${column.distinct_is_exact ? "" : " or more"}`, "number"),
    element("td", range, "number"),
    element("td", column.top.map(({ value, count }) => (count > 1 ? `${value} (${count})` : value)).join(", ")),
  ]);
}

function row(cells) {
  const node = element("tr");
  node.append(...cells);
  return node;
}

function show(...nodes) {
  answer.replaceChildren(element("h2", "Profile"), ...nodes);
}

function element(name, text = "", style = "") {
  const node = document.createElement(name);
  node.textContent = text;
  node.className = style;
  return node;
}
