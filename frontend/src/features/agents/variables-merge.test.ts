import { describe, expect, it } from "vitest";
import {
  countChanges,
  type Draft,
  draftsOf,
  merge,
  nameFault,
  newKey,
  resolved,
  wantedOf,
} from "./variables-merge";

const plain = (name: string, value: string) => ({ name, value, secret: false });
const secret = (name: string) => ({ name, value: null, secret: true });
const typed = (name: string, value: string, hidden = false): Draft => ({
  key: newKey(),
  name,
  value,
  secret: hidden,
  kept: false,
});
const BASE = [plain("A", "1"), plain("B", "1"), secret("S")];
const change = (drafts: Draft[], name: string, value: string) =>
  drafts.map((one) => (one.name === name ? { ...one, value, kept: false } : one));

describe("what is sent", () => {
  it("keeps a secret nobody typed again", () => {
    expect(wantedOf(draftsOf(BASE)).at(-1)).toEqual({ name: "S", value: null, secret: true });
  });

  it("leaves out rows nobody filled in", () => {
    expect(wantedOf([typed("", ""), typed(" C ", "x")])).toEqual([plain("C", "x")]);
  });

  it("counts what is different from what was read", () => {
    const drafts = draftsOf(BASE);
    expect(countChanges(BASE, drafts)).toBe(0);
    expect(countChanges(BASE, [...change(drafts.slice(1), "B", "2"), typed("N", "")])).toBe(3);
    expect(countChanges(BASE, change(drafts, "S", "new"))).toBe(1);
  });
});

describe("what is wrong with a name", () => {
  it.each([
    ["9A", /digit/],
    ["A-B", /letters/],
    ["PORT", /platform/],
    ["SLIPWAY_X", /platform/],
    ["", /name/],
  ])("says it of %s", (name, fault) => {
    const draft = typed(name, "x");
    expect(nameFault(draft, [draft])).toMatch(fault);
  });

  it("says it of the second of two", () => {
    const rows = [typed("A", "1"), typed("A", "2")];
    expect(rows.map((row) => nameFault(row, rows))).toEqual([undefined, "A is given twice."]);
  });
});

describe("two people at once", () => {
  it("asks only where both changed the same, differently", () => {
    const mine = [...change(draftsOf(BASE), "A", "mine"), typed("MINE", "1")];
    const theirs = [plain("A", "theirs"), plain("B", "theirs"), secret("S"), plain("THEIRS", "1")];
    const { open, settled } = merge(BASE, mine, theirs);
    expect(open.map(({ name }) => name)).toEqual(["A"]);
    expect(settled.map(({ name }) => name)).toEqual(["B", "MINE", "THEIRS"]);
    const values = (taken: string[]) =>
      Object.fromEntries(
        wantedOf(resolved(BASE, mine, theirs, new Set(taken))).map(({ name, value }) => [
          name,
          value,
        ]),
      );
    expect(values([])).toEqual({ A: "mine", B: "theirs", S: null, THEIRS: "1", MINE: "1" });
    expect(values(["A"])).toEqual({ A: "theirs", B: "theirs", S: null, THEIRS: "1", MINE: "1" });
  });

  it("lets go of what either took out and the other left alone", () => {
    const mine = draftsOf(BASE).filter(({ name }) => name !== "A");
    const theirs = [plain("A", "1"), secret("S")];
    const names = wantedOf(resolved(BASE, mine, theirs, new Set())).map(({ name }) => name);
    expect(names).toEqual(["S"]);
  });

  it("asks when one changes what the other takes out", () => {
    const mine = change(draftsOf(BASE), "A", "mine");
    const theirs = [plain("B", "1"), secret("S")];
    expect(merge(BASE, mine, theirs).open.map(({ name }) => name)).toEqual(["A"]);
    const kept = (taken: string[]) =>
      wantedOf(resolved(BASE, mine, theirs, new Set(taken))).some(({ name }) => name === "A");
    expect(kept([])).toBe(true);
    expect(kept(["A"])).toBe(false);
  });
});
