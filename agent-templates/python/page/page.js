const form = document.querySelector("#ask");
const answer = document.querySelector("#answer");
const here = new URL("summarise", location.href);

document.querySelector("#curl").textContent =
  `curl ${here} -H 'Content-Type: application/json' \\\n  -d '{"text": "…", "sentences": 2, "keyphrases": 6}'`;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const response = await fetch(here, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        text: form.text.value,
        sentences: form.sentences.valueAsNumber,
        keyphrases: form.keyphrases.valueAsNumber,
      }),
    });
    const body = await response.json();
    show(...(response.ok ? gist(body) : refusal(body)));
  } catch (error) {
    show(element("p", "The agent did not answer. Is it still running?", "bad"));
  } finally {
    button.disabled = false;
  }
});

function gist(body) {
  const phrases = element("ul", "", "chips");
  phrases.append(...body.keyphrases.map(({ phrase }) => element("li", phrase)));
  return [
    ...body.summary.map((sentence) => element("blockquote", sentence)),
    phrases,
    element("p", `${body.words} words in ${body.sentences} sentences`, "quiet"),
  ];
}

function refusal(problem) {
  const faults = (problem.errors ?? []).map(({ field, detail }) => `${field}: ${detail}`);
  return [problem.detail, ...faults].map((line) => element("p", line, "bad"));
}

function show(...nodes) {
  answer.replaceChildren(element("h2", "Answer"), ...nodes);
}

function element(name, text, style = "") {
  const node = document.createElement(name);
  node.textContent = text;
  node.className = style;
  return node;
}
