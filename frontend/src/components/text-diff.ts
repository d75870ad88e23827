/** Finds which lines of two texts are the same: the longest common run of lines, as programs show it. */

export interface DiffLine {
  kind: "same" | "added" | "removed";
  text: string;
  /** Line numbers from 1 in the old and the new text. */
  before?: number;
  after?: number;
}

const MOST = 2_000;

export function diffLines(before: string, after: string): DiffLine[] {
  const old = before === "" ? [] : before.replace(/\n$/, "").split("\n");
  const now = after === "" ? [] : after.replace(/\n$/, "").split("\n");
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (
    tail < old.length - head &&
    tail < now.length - head &&
    old[old.length - 1 - tail] === now[now.length - 1 - tail]
  ) {
    tail += 1;
  }
  const middle = common(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  const found: DiffLine[] = [];
  let b = 0;
  let a = 0;
  const same = () => found.push({ kind: "same", text: old[b] ?? "", before: ++b, after: ++a });
  while (b < head) same();
  for (const [atOld, atNow] of [...middle, [old.length - tail - head, now.length - tail - head]]) {
    while (b < head + (atOld as number))
      found.push({ kind: "removed", text: old[b] ?? "", before: ++b });
    while (a < head + (atNow as number))
      found.push({ kind: "added", text: now[a] ?? "", after: ++a });
    if (b < old.length - tail) same();
  }
  while (b < old.length) same();
  return found;
}

/** Pairs of positions of the longest common subsequence. */
function common(old: string[], now: string[]): [number, number][] {
  // Texts too large for the table are shown as replaced.
  if (old.length > MOST || now.length > MOST) return [];
  const width = now.length + 1;
  const table = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      table[i * width + j] =
        old[i] === now[j]
          ? (table[(i + 1) * width + j + 1] as number) + 1
          : Math.max(table[(i + 1) * width + j] as number, table[i * width + j + 1] as number);
    }
  }
  const pairs: [number, number][] = [];
  let i = 0;
  let j = 0;
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      pairs.push([i, j]);
      i += 1;
      j += 1;
    } else if ((table[(i + 1) * width + j] as number) >= (table[i * width + j + 1] as number)) {
      i += 1;
    } else {
      j += 1;
    }
  }
  return pairs;
}
