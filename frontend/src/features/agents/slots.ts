/** Knows which row's elements are used again for which: what scrolls in takes what scrolled out. */

export class Slots {
  #held = new Map<string, number>();
  #next = 0;

  /**
   * A slot for each of these, in their order. What was there before keeps its own; what is new gets
   * one that is free by now, unless it is `inUse`.
   */
  give(ids: readonly string[], inUse: () => number | undefined): (id: string) => number {
    const wanted = new Set(ids);
    const gone = [...this.#held.keys()].filter((id) => !wanted.has(id));
    if (gone.length > 0 || wanted.size > this.#held.size) {
      const used = gone.length > 0 ? inUse() : undefined;
      const free = gone.map((id) => this.#held.get(id)).filter((slot) => slot !== used);
      const held = new Map<string, number>();
      for (const id of ids) held.set(id, this.#held.get(id) ?? free.shift() ?? this.#next++);
      this.#held = held;
    }
    const held = this.#held;
    return (id) => held.get(id) ?? -1;
  }
}
