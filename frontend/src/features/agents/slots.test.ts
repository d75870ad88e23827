import { describe, expect, it } from "vitest";
import { Slots } from "./slots";

function given(slots: Slots, ids: string[], inUse?: number): number[] {
  const slotOf = slots.give(ids, () => inUse);
  return ids.map(slotOf);
}

describe("the slots of a list's rows", () => {
  it("leaves what stays where it is, and gives what comes what went", () => {
    const slots = new Slots();
    expect(given(slots, ["a", "b", "c"])).toEqual([0, 1, 2]);
    expect(given(slots, ["b", "c", "d"])).toEqual([1, 2, 0]);
    expect(given(slots, ["x", "y", "z"])).toEqual([1, 2, 0]);
  });

  it("gives another row no slot that the keyboard stands in", () => {
    const slots = new Slots();
    given(slots, ["a", "b"]);
    expect(given(slots, ["c", "d"], 0)).toEqual([1, 2]);
  });

  it("grows and shrinks with what is in sight", () => {
    const slots = new Slots();
    expect(given(slots, ["a"])).toEqual([0]);
    expect(given(slots, ["a", "b", "c"])).toEqual([0, 1, 2]);
    expect(given(slots, ["c"])).toEqual([2]);
    expect(new Set(given(slots, ["c", "d", "e"])).size).toBe(3);
  });
});
