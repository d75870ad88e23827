import { describe, expect, it } from "vitest";
import { bands, nearestTime, runs, ticksOf, timeTicks } from "./chart-scale";

describe("the scale of a chart", () => {
  it.each([
    [0, [0, 1]],
    [7.5, [0, 2.5, 5, 7.5]],
    [100, [0, 50, 100]],
    [0.0003, [0, 0.0001, 0.0002, 0.0003]],
  ])("up to %s has round ticks", (highest, ticks) => {
    expect(ticksOf(highest)).toEqual(ticks);
  });

  it("always reaches the highest value", () => {
    for (const value of [1e-9, 0.3, 1, 3, 999, 12_345, 9.99e12]) {
      expect(ticksOf(value).at(-1)).toBeGreaterThanOrEqual(value);
    }
  });

  it("has round times, not more than fit", () => {
    const start = Date.UTC(2026, 0, 1, 10, 7);
    const ticks = timeTicks(start, start + 3_600_000, 5, true);
    expect(ticks.length).toBeLessThanOrEqual(5);
    expect(ticks.every((t) => t % 900_000 === 0)).toBe(true);
  });
});

it("joins no points between which nothing was measured", () => {
  const points = [0, 1, 2, 9, 10].map((t) => ({ t, v: 1 }));
  expect(runs(points, 2).map((run) => run.length)).toEqual([3, 2]);
});

it("stacks series that were not measured at the same times", () => {
  const [, second] = bands([
    { name: "a", tone: "x", points: [{ t: 1, v: 2 }] },
    {
      name: "b",
      tone: "y",
      points: [
        { t: 1, v: 3 },
        { t: 2, v: 4 },
      ],
    },
  ]);
  expect(second?.points).toEqual([
    { t: 1, low: 2, high: 5 },
    { t: 2, low: 0, high: 4 },
  ]);
});

it("finds the nearest time", () => {
  expect(nearestTime([], 5)).toBeUndefined();
  expect(nearestTime([0, 10], 6)).toBe(10);
});
