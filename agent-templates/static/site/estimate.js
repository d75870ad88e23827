/**
 * What the page knows about prompts: how many tokens a text comes to, and which variables it has.
 *
 * Tokens are estimated, not counted: a tokenizer's vocabulary would be megabytes to download, and
 * each model has its own. The weights below were fitted to a widely used vocabulary of 200,000
 * tokens; README.md says how well they do.
 */

const PromptBench = (() => {
  "use strict";

  // Words split where their case changes, digits in threes, punctuation in runs: near enough to
  // what tokenizers do before they look anything up.
  const PIECE =
    / ?\p{Lu}?\p{Ll}+| ?\p{Lu}+(?!\p{Ll})| ?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]+|\s*[\r\n]+|\s+/gu;
  const VARIABLE = /\{\{\s*([\p{L}_][\p{L}\p{N}_-]*)\s*\}\}/gu;

  // Tokens for each character, by script.
  const SCRIPTS = [
    [/\p{Script=Han}/gu, 0.81],
    [/[\p{Script=Hiragana}\p{Script=Katakana}ー]/gu, 0.82],
    [/\p{Script=Hangul}/gu, 0.8],
    [/\p{Script=Thai}/gu, 0.42],
    [/\p{Script=Latin}/gu, 0.45],
    [/[\p{Script=Arabic}\p{Script=Hebrew}]/gu, 0.4],
    [/\p{Script=Greek}/gu, 0.38],
    [/\p{Script=Devanagari}/gu, 0.42],
    [/\p{Script=Cyrillic}/gu, 0.35],
  ];
  const OTHER_SCRIPT = 0.6;

  /** About how many tokens the text is. */
  function tokens(text) {
    let sum = 0;
    for (const [piece] of text.matchAll(PIECE)) sum += weigh(piece);
    return Math.round(sum);
  }

  function weigh(piece) {
    const word = piece.trimStart();
    if (!word) return /[\r\n]/.test(piece) ? 0.87 : 0.34;
    if (/^\p{N}/u.test(word)) return 1.49;
    if (/^[A-Za-z]+$/.test(word)) {
      const shouted = /^[A-Z]{2,}$/.test(word) ? 0.1 * (word.length - 1) : 0;
      return 0.92 + 0.26 * Math.max(0, word.length - 7) + shouted;
    }
    if (/[\p{L}\p{M}]/u.test(word)) return weighByScript(word);
    if (/\p{Extended_Pictographic}/u.test(word)) return 1.64 * [...word].length;
    return 0.9 + 0.31 * Math.max(0, word.length - 3);
  }

  function weighByScript(word) {
    let left = [...word].length;
    let sum = 0;
    for (const [script, weight] of SCRIPTS) {
      const count = word.match(script)?.length ?? 0;
      sum += count * weight;
      left -= count;
    }
    return sum + left * OTHER_SCRIPT;
  }

  /** The names of {{variables}}, in order, each once. */
  function variables(text) {
    return [...new Set(Array.from(text.matchAll(VARIABLE), ([, name]) => name))];
  }

  /** The text with its variables filled in; one without a value stays as it is. */
  function fill(text, values) {
    return text.replace(VARIABLE, (whole, name) =>
      Object.hasOwn(values, name) && values[name] !== "" ? values[name] : whole,
    );
  }

  /** The paragraphs that cost most, dearest first, each with its share of all tokens. */
  function dearest(text, count) {
    const parts = text.split(/\n\s*\n/).map((part) => part.trim()).filter(Boolean);
    const weighed = parts.map((part) => ({ text: part, tokens: tokens(part) }));
    const total = weighed.reduce((sum, part) => sum + part.tokens, 0) || 1;
    return weighed
      .sort((a, b) => b.tokens - a.tokens)
      .slice(0, count)
      .map((part) => ({ ...part, share: part.tokens / total }));
  }

  /** Money for so many calls, at prices per million tokens. */
  function cost({ input, output, inputPrice, outputPrice, calls }) {
    return ((input * inputPrice + output * outputPrice) / 1_000_000) * calls;
  }

  return { tokens, variables, fill, dearest, cost };
})();
