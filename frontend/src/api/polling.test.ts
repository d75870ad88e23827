import type { Query } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";
import { intervalOf } from "./polling";
import { ApiProblem } from "./problem";

interface Thing {
  moves: boolean;
}
type Asked = Query<Thing, Error, Thing, readonly unknown[]>;
const query = (state: Partial<Asked["state"]>) =>
  ({ state: { data: undefined, error: null, dataUpdatedAt: 0, ...state } }) as unknown as Asked;
const pace = { moving: (thing: Thing) => thing.moves };
const problem = (status: number, retryAfter?: number) =>
  new ApiProblem({ status, code: "x", title: "x", detail: "x", retryAfter });

describe("how often to look again", () => {
  it("within a second while something moves", () => {
    expect(intervalOf(query({ data: { moves: true } }), pace)).toBeLessThanOrEqual(1000);
  });

  it("ever less while the same object comes back, up to a minute", () => {
    const asked = query({ data: { moves: false } });
    const waits: number[] = [];
    for (let time = 1; time < 30; time += 1) {
      Object.assign(asked.state, { dataUpdatedAt: time });
      waits.push(Number(intervalOf(asked, pace)));
    }
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(waits.at(-1)).toBe(60_000);
    Object.assign(asked.state, { data: { moves: false }, dataUpdatedAt: 99 });
    expect(intervalOf(asked, pace)).toBe(waits[0]);
  });

  it("not at all once it has settled, or was refused for good", () => {
    expect(intervalOf(query({ data: { moves: false } }), { ...pace, settles: true })).toBe(false);
    expect(intervalOf(query({ error: problem(404) }), pace)).toBe(false);
  });

  it("when the API says so, or with growing pauses, after a failure", () => {
    expect(intervalOf(query({ error: problem(503, 7000) }), pace)).toBe(7000);
    const first = intervalOf(
      query({ error: problem(0), errorUpdateCount: 1, fetchFailureCount: 0 }),
      pace,
    );
    const later = intervalOf(
      query({ error: problem(0), errorUpdateCount: 9, fetchFailureCount: 0 }),
      pace,
    );
    expect(Number(later)).toBeGreaterThan(Number(first));
    expect(later).toBe(30_000);
  });
});
