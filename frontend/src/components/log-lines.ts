/**
 * Knows which lines of a log are shown and which match the search. Logs only grow, so each line is
 * looked at once for as long as nothing else is asked.
 */
import { plainText } from "./log-ansi";

export interface LogLineShown {
  id: string;
  /** ISO 8601, up to nanoseconds. */
  timestamp: string;
  level: string;
  message: string;
  step?: string | null;
}

export type Level = "error" | "warn" | "info" | "debug";
export const LEVELS: readonly Level[] = ["error", "warn", "info", "debug"];

const NAMES: Record<string, Level> = {
  error: "error",
  err: "error",
  fatal: "error",
  critical: "error",
  emergency: "error",
  alert: "error",
  panic: "error",
  warn: "warn",
  warning: "warn",
  debug: "debug",
  trace: "debug",
  verbose: "debug",
};

/** What programs call their levels, as one of four. */
export function levelOf(line: { level: string }): Level {
  return NAMES[line.level.toLowerCase()] ?? "info";
}

const plain = new WeakMap<object, string>();

export function textOf(line: { message: string }): string {
  const known = plain.get(line);
  if (known !== undefined) return known;
  const text = plainText(line.message);
  plain.set(line, text);
  return text;
}

export interface Wanted {
  levels: ReadonlySet<Level>;
  query: string;
}

export interface Shown {
  /** Positions in the log of the lines that are shown; null: all of them. */
  rows: readonly number[] | null;
  count: number;
  /** Positions among the shown lines of those that match the search. */
  matches: readonly number[];
  /** How many lines of each level there are in the whole log. */
  tally: Readonly<Record<Level, number>>;
  /** The longest line's length in characters. */
  longest: number;
}

const LONGEST = 5000;

/** Keeps what it has worked out, and goes on from there. */
export class LogSieve {
  private lines: readonly LogLineShown[] = [];
  private seen = 0;
  private counted = 0;
  private key = "";
  private rows: number[] | null = null;
  private matches: number[] = [];
  private tally: Record<Level, number> = { error: 0, warn: 0, info: 0, debug: 0 };
  private longest = 0;

  sift(lines: readonly LogLineShown[], count: number, wanted: Wanted): Shown {
    const key = `${[...wanted.levels].sort().join()} ${wanted.query.toLowerCase()}`;
    if (lines !== this.lines || count < this.counted) {
      this.lines = lines;
      this.counted = 0;
      this.tally = { error: 0, warn: 0, info: 0, debug: 0 };
      this.longest = 0;
      this.key = "";
    }
    if (key !== this.key) {
      this.key = key;
      this.seen = 0;
      this.rows = wanted.levels.size === 0 ? null : [];
      this.matches = [];
    }
    this.count(count);
    this.look(count, wanted);
    return {
      rows: this.rows,
      count: this.rows ? this.rows.length : count,
      matches: this.matches,
      tally: { ...this.tally },
      longest: this.longest,
    };
  }

  private count(count: number): void {
    for (; this.counted < count; this.counted += 1) {
      const line = this.lines[this.counted] as LogLineShown;
      this.tally[levelOf(line)] += 1;
      if (line.message.length > this.longest) this.longest = line.message.length;
    }
    this.longest = Math.min(this.longest, LONGEST);
  }

  private look(count: number, { levels, query }: Wanted): void {
    const words = finder(query);
    for (; this.seen < count; this.seen += 1) {
      const line = this.lines[this.seen] as LogLineShown;
      if (this.rows) {
        if (!levels.has(levelOf(line))) continue;
        this.rows.push(this.seen);
      }
      if (words?.test(textOf(line))) {
        this.matches.push(this.rows ? this.rows.length - 1 : this.seen);
      }
    }
  }
}

/** What finds the words in a line, whatever their case. */
export function finder(query: string, flags = "iu"): RegExp | null {
  if (query.trim() === "") return null;
  return new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), flags);
}

/** The parts of a text: those that match, and those between. */
export function marked(text: string, query: string): { text: string; hit: boolean }[] {
  const words = finder(query, "giu");
  if (!words) return [{ text, hit: false }];
  const parts: { text: string; hit: boolean }[] = [];
  let from = 0;
  for (const match of text.matchAll(words)) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index), hit: false });
    parts.push({ text: match[0], hit: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ text: text.slice(from), hit: false });
  return parts;
}

/** The whole log as a text file. */
export function asText(lines: readonly LogLineShown[]): string {
  return lines
    .map((line) => `${line.timestamp} ${levelOf(line).toUpperCase().padEnd(5)} ${textOf(line)}\n`)
    .join("");
}

/** How far along a position the next match lies, round and round; -1 without any. */
export function step(matches: readonly number[], at: number, by: 1 | -1): number {
  if (matches.length === 0) return -1;
  if (by === 1) {
    const next = matches.find((row) => row > at);
    return next ?? (matches[0] as number);
  }
  for (let index = matches.length - 1; index >= 0; index -= 1) {
    if ((matches[index] as number) < at) return matches[index] as number;
  }
  return matches.at(-1) as number;
}
