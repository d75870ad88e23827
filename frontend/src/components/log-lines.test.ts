import { describe, expect, it } from "vitest";
import { asText, type LogLineShown, LogSieve, marked, step } from "./log-lines";

const line = (id: number, message: string, level = "info"): LogLineShown => ({
  id: String(id),
  timestamp: `2026-01-01T00:00:0${id % 10}.000Z`,
  level,
  message,
});
const all = new Set<never>();

describe("which lines are shown", () => {
  it("goes on where it stopped when lines are added", () => {
    const lines = [line(0, "alpha"), line(1, "beta", "error")];
    const sieve = new LogSieve();
    const wanted = { levels: all, query: "a" };
    expect(sieve.sift(lines, 2, wanted).matches).toEqual([0, 1]);
    lines.push(line(2, "gamma", "WARNING"));
    const shown = sieve.sift(lines, 3, wanted);
    expect(shown.matches).toEqual([0, 1, 2]);
    expect(shown.tally).toEqual({ error: 1, warn: 1, info: 1, debug: 0 });
    expect(shown.rows).toBeNull();
  });

  it("filters by level, whatever programs call it, and matches among those", () => {
    const lines = [line(0, "x"), line(1, "x", "FATAL"), line(2, "y", "err"), line(3, "x", "trace")];
    const shown = new LogSieve().sift(lines, 4, {
      levels: new Set(["error" as const]),
      query: "x",
    });
    expect(shown.rows).toEqual([1, 2]);
    expect(shown.matches).toEqual([0]);
  });

  it("begins anew with another log", () => {
    const sieve = new LogSieve();
    sieve.sift([line(0, "x", "error")], 1, { levels: all, query: "" });
    const shown = sieve.sift([line(1, "y")], 1, { levels: all, query: "" });
    expect(shown.tally.error).toBe(0);
    expect(shown.count).toBe(1);
  });

  it("takes what is searched for as words, not as a pattern", () => {
    const lines = [line(0, "a.b(c)*[d]\\e/f"), line(1, "axb")];
    expect(new LogSieve().sift(lines, 2, { levels: all, query: "A.B(C)*[D]\\E/" }).matches).toEqual(
      [0],
    );
  });

  it("searches through colours", () => {
    const lines = [line(0, "\u001b[31mfai\u001b[32mled\u001b[0m")];
    expect(new LogSieve().sift(lines, 1, { levels: all, query: "failed" }).matches).toEqual([0]);
  });
});

describe("going from match to match", () => {
  it("goes round at the ends", () => {
    expect(step([2, 5, 9], -1, 1)).toBe(2);
    expect(step([2, 5, 9], 5, 1)).toBe(9);
    expect(step([2, 5, 9], 9, 1)).toBe(2);
    expect(step([2, 5, 9], 2, -1)).toBe(9);
    expect(step([], 0, 1)).toBe(-1);
  });

  it("marks every hit of a line", () => {
    expect(marked("Tide tide", "tide").map(({ hit }) => hit)).toEqual([true, false, true]);
  });
});

it("is taken along as plain text", () => {
  expect(asText([line(1, "\u001b[31mno\u001b[0m", "warning")])).toBe(
    "2026-01-01T00:00:01.000Z WARN  no\n",
  );
});
