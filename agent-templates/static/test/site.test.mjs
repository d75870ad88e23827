import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { test } from "node:test";

const site = new URL("../site/", import.meta.url);
const read = (name) => readFileSync(new URL(name, site), "utf8");
const page = read("index.html");

test("everything the page refers to is there", () => {
  const names = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(names.sort(), ["bench.css", "bench.js", "estimate.js", "icon.svg"]);
  for (const name of names) assert.ok(statSync(new URL(name, site)).isFile(), name);
});

test("a strict policy holds: nothing inline, nothing from elsewhere", () => {
  assert.match(page, /default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'/);
  assert.doesNotMatch(page, /\sstyle=|\son\w+=|<style|<script(?![^>]*src=)|javascript:/i);
  for (const name of readdirSync(site)) {
    const text = read(name).replace("http://www.w3.org/2000/svg", "");
    assert.doesNotMatch(text, /https?:\/\/|\bfetch\(|XMLHttpRequest|innerHTML|eval\(/, name);
  }
});

test("every field has a label, and every id that is used exists once", () => {
  const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  const labelled = [...page.matchAll(/<label for="([^"]+)"/g)].map(([, id]) => id);
  for (const [, id] of page.matchAll(/<(?:input|textarea)[^>]*\sid="([^"]+)"/g)) {
    assert.ok(labelled.includes(id), id);
  }
  for (const [, id] of read("bench.js").matchAll(/\bat\("([^"]+)"\)/g)) assert.ok(ids.includes(id), id);
  for (const [, list] of page.matchAll(/aria-(?:labelledby|describedby)="([^"]+)"/g)) {
    for (const id of list.split(" ")) assert.ok(ids.includes(id), id);
  }
});

test("the health file says ok", () => {
  assert.deepEqual(JSON.parse(read("health.json")), { status: "ok" });
});

test("the whole site is small", () => {
  const bytes = readdirSync(site).reduce((sum, name) => sum + statSync(new URL(name, site)).size, 0);
  assert.ok(bytes < 30_000, `${bytes} bytes`);
});
