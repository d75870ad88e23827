/** The page: reads its fields, shows what they come to, and remembers them in this browser. */

(() => {
  "use strict";

  const { tokens, variables, fill, dearest, cost } = PromptBench;
  const STORE = "prompt-bench";
  const SAMPLE = {
    prompt: `You are a careful assistant for the harbour office of {{harbour}}.
Answer in at most three sentences. If you do not know, say so.

Rules:
- Times are local and in 24 hours.
- A ship may leave when the water is deeper than its draught by half a metre or more.

Question from {{customer}}:
{{question}}`,
    values: { harbour: "Dover", customer: "", question: "When can we leave today with a draught of 7.5 m?" },
    fields: {},
  };
  const NUMBERS = ["context", "answer", "inputPrice", "outputPrice", "calls"];
  const at = (id) => document.getElementById(id);
  const plain = new Intl.NumberFormat("en");
  let values = {};

  function start() {
    const kept = remembered() ?? SAMPLE;
    at("prompt").value = kept.prompt;
    values = { ...kept.values };
    for (const id of NUMBERS) if (kept.fields[id] !== undefined) at(id).value = kept.fields[id];
    at("prompt").addEventListener("input", showAll);
    for (const id of NUMBERS) at(id).addEventListener("input", showAll);
    at("copy").addEventListener("click", copy);
    at("clear").addEventListener("click", startAfresh);
    showAll();
  }

  function showAll() {
    const prompt = at("prompt").value;
    showVariables(variables(prompt));
    showFilled(prompt);
    showSize(fill(prompt, values));
    remember();
  }

  /** One field for each variable; those that stay keep their node, so that typing is not lost. */
  function showVariables(names) {
    const fields = new Map([...at("variables").children].map((node) => [node.dataset.name, node]));
    at("variables").replaceChildren(...names.map((name) => fields.get(name) ?? variableField(name)));
  }

  function variableField(name) {
    const input = element("textarea", "");
    input.id = `variable-${name}`;
    input.rows = 1;
    input.value = Object.hasOwn(values, name) ? values[name] : "";
    input.addEventListener("input", () => {
      values = { ...values, [name]: input.value };
      showAll();
    });
    const label = element("label", name);
    label.htmlFor = input.id;
    const field = element("div", "");
    field.dataset.name = name;
    field.append(label, input);
    return field;
  }

  function showFilled(prompt) {
    const nodes = [];
    let from = 0;
    for (const match of prompt.matchAll(/\{\{[^{}]*\}\}/gu)) {
      const text = fill(match[0], values);
      const known = variables(match[0]).length > 0;
      const node = element(known ? "mark" : "span", text);
      if (known && text === match[0]) node.className = "open";
      nodes.push(prompt.slice(from, match.index), node);
      from = match.index + match[0].length;
    }
    at("filled").replaceChildren(...nodes, prompt.slice(from));
  }

  function showSize(text) {
    const input = tokens(text);
    const [context, output, inputPrice, outputPrice, calls] = NUMBERS.map((id) => at(id).valueAsNumber);
    at("tokens").textContent = plain.format(input);
    const words = text.match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu)?.length ?? 0;
    const characters = [...text].length;
    at("counts").textContent = `${plain.format(words)} words, ${plain.format(characters)} characters`;

    const left = context - input - (output || 0);
    const over = left < 0;
    at("share").style.setProperty("--share", Math.min(100, ((context - left) / context) * 100 || 0));
    at("share").parentElement.classList.toggle("over", over);
    at("room").classList.toggle("over", over);
    at("room").textContent = Number.isNaN(left)
      ? "Give the size of your model's context window."
      : over
        ? `${plain.format(-left)} tokens too many for this window.`
        : `${plain.format(left)} tokens left for history and context.`;

    const asked = { input, output: output || 0, inputPrice, outputPrice, calls };
    const sum = cost(asked);
    at("cost").textContent = Number.isNaN(sum)
      ? "Enter your model's prices to see what the calls cost."
      : `${money(sum)} for ${plain.format(calls)} ${calls === 1 ? "call" : "calls"}, ${money(sum / calls)} each.`;

    at("dearest").replaceChildren(...dearest(text, 4).map(paragraph));
    if (!text.trim()) at("dearest").append(element("li", "Nothing is written yet."));
  }

  function paragraph({ text, tokens: count, share }) {
    const line = element("p", "");
    line.append(element("span", text.replace(/\s+/g, " ").slice(0, 200)), element("span", plain.format(count)));
    const track = element("div", "");
    track.className = "track";
    track.setAttribute("aria-hidden", "true");
    const bar = element("div", "");
    bar.style.setProperty("--share", share * 100);
    track.append(bar);
    const item = element("li", "");
    item.append(line, track);
    return item;
  }

  function money(amount) {
    const digits = amount >= 1 || amount === 0 ? 2 : Math.min(8, 1 - Math.floor(Math.log10(amount)));
    return amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: Math.max(2, digits) });
  }

  async function copy() {
    const button = at("copy");
    try {
      await navigator.clipboard.writeText(at("filled").textContent);
      button.textContent = "Copied";
    } catch {
      // No permission: select it, so that the keyboard can copy it.
      getSelection().selectAllChildren(at("filled"));
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }

  function startAfresh() {
    at("prompt").value = "";
    values = {};
    at("variables").replaceChildren();
    showAll();
    at("prompt").focus();
  }

  function remember() {
    const fields = Object.fromEntries(NUMBERS.map((id) => [id, at(id).value]));
    try {
      localStorage.setItem(STORE, JSON.stringify({ prompt: at("prompt").value, values, fields }));
    } catch {
      // Storage may be full or switched off; the page works without it.
    }
  }

  function remembered() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORE));
      const sound = typeof kept?.prompt === "string" && kept.values && kept.fields;
      return sound ? kept : null;
    } catch {
      return null;
    }
  }

  function element(name, text) {
    const node = document.createElement(name);
    node.textContent = text;
    return node;
  }

  start();
})();
