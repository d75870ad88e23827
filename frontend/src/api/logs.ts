/**
 * Reads a log as it grows: page after page from a cursor, at once while there is more, less and
 * less while nothing comes, not at all in a hidden tab. Lines are only ever added at the end.
 */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { api } from "./client";
import { type ApiProblem, asProblem } from "./problem";
import type { LogLine } from "./types";

export interface Line extends LogLine {
  /** Stays the same however often the log is read: the time, and which line of that very time. */
  id: string;
}

/** Where a log comes from. `start`: read an agent's output from then on, not its newest lines. */
export type LogSource =
  | { of: "build"; agentId: string; versionId: string }
  | { of: "output"; deploymentId: string; start?: string | undefined };

export interface LogSnapshot {
  /** Append-only; the same array as long as the log is the same, so look at `count`. */
  lines: readonly Line[];
  count: number;
  loading: boolean;
  /** Nothing more will come. */
  ended: boolean;
  error: ApiProblem | undefined;
}

interface Page {
  items: LogLine[];
  next_cursor: string | null;
  more: boolean;
}

const PAGE = 2000;
/** Lines kept in the browser; the oldest go first. */
export const MOST_LINES = 200_000;
const SOON = 900;
const IDLE_LAST = 10_000;
const KEPT_FEEDS = 6;

export class LogFeed {
  private lines: Line[] = [];
  private cursor: string | null = null;
  private lastTime = "";
  private sameTime = 0;
  private running = 0;
  private turn = 0;
  private idle = 0;
  private wake: (() => void) | undefined;
  private abort: AbortController | undefined;
  private listeners = new Set<() => void>();
  private snapshot: LogSnapshot;
  /** Whether the source may still write, as far as the page knows. */
  live = true;

  constructor(
    private readonly read: (cursor: string | null, signal: AbortSignal) => Promise<Page>,
    private readonly most = MOST_LINES,
  ) {
    this.snapshot = { lines: this.lines, count: 0, loading: true, ended: false, error: undefined };
  }

  get = (): LogSnapshot => this.snapshot;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    this.running += 1;
    if (this.running === 1 && !this.snapshot.ended) void this.follow();
    return () => {
      this.listeners.delete(listener);
      this.running -= 1;
      if (this.running === 0) this.stop();
    };
  };

  retry = (): void => {
    this.stop();
    this.tell({ error: undefined, loading: this.lines.length === 0 });
    if (this.running > 0) void this.follow();
  };

  /** Looks again now: something has happened. */
  hurry(): void {
    this.idle = 0;
    this.wake?.();
  }

  private stop(): void {
    this.turn += 1;
    this.abort?.abort();
    this.wake?.();
  }

  private async follow(): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    while (turn === this.turn) {
      this.abort = new AbortController();
      let page: Page;
      const asked = this.live;
      try {
        page = await this.read(this.cursor, this.abort.signal);
      } catch (thrown) {
        if (turn !== this.turn) return;
        const problem = asProblem(thrown);
        this.tell({ error: problem, loading: false });
        if (!problem.passing) return;
        this.idle += 1;
        await this.pause(problem.retryAfter ?? Math.min(30_000, 1000 * 2 ** this.idle));
        continue;
      }
      if (turn !== this.turn) return;
      this.take(page.items);
      this.cursor = page.next_cursor ?? this.cursor;
      const full = page.items.length >= PAGE;
      // Whoever had nothing more to say before this page was asked for has said it all.
      const ended = !full && (!page.more || (!asked && page.items.length === 0));
      this.tell({ error: undefined, loading: false, ended });
      if (ended) return;
      if (full) continue;
      this.idle = page.items.length > 0 ? 0 : this.idle + 1;
      await this.pause(this.live ? Math.min(IDLE_LAST, SOON * 1.3 ** this.idle) : SOON);
    }
  }

  private take(items: LogLine[]): void {
    for (const item of items) {
      this.sameTime = item.timestamp === this.lastTime ? this.sameTime + 1 : 0;
      this.lastTime = item.timestamp;
      this.lines.push({ ...item, id: `${item.timestamp}~${this.sameTime}` });
    }
    // Rarely and much at once: dropping costs a copy.
    if (this.lines.length > this.most * 1.1) this.lines = this.lines.slice(-this.most);
  }

  private tell(change: Partial<LogSnapshot>): void {
    const next = { ...this.snapshot, ...change, lines: this.lines, count: this.lines.length };
    const same = (Object.keys(next) as (keyof LogSnapshot)[]).every(
      (key) => next[key] === this.snapshot[key],
    );
    if (same) return;
    this.snapshot = next;
    for (const listener of this.listeners) listener();
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const over = () => {
        clearTimeout(timer);
        document.removeEventListener("visibilitychange", seen);
        this.wake = undefined;
        resolve();
      };
      const seen = () => {
        if (!document.hidden) over();
      };
      const timer = setTimeout(() => {
        if (!document.hidden) over();
      }, milliseconds);
      document.addEventListener("visibilitychange", seen);
      this.wake = over;
    });
  }
}

const feeds = new Map<string, LogFeed>();

function feedOf(source: LogSource): LogFeed {
  const key = JSON.stringify(source);
  const found = feeds.get(key) ?? new LogFeed(reader(source));
  feeds.delete(key);
  feeds.set(key, found);
  for (const old of feeds.keys()) {
    if (feeds.size <= KEPT_FEEDS) break;
    feeds.delete(old);
  }
  return found;
}

/** Forgets what was read, as when another person signs in or a test begins. */
export function forgetLogs(): void {
  feeds.clear();
}

function reader(source: LogSource) {
  return (cursor: string | null, signal: AbortSignal): Promise<Page> => {
    const from = { limit: PAGE, ...(cursor ? { cursor } : {}) };
    if (source.of === "build") {
      return api.get("/agents/{agent_id}/versions/{version_id}/logs", {
        path: { agent_id: source.agentId, version_id: source.versionId },
        query: from,
        signal,
      });
    }
    return api.get("/deployments/{deployment_id}/logs", {
      path: { deployment_id: source.deploymentId },
      query: { ...from, ...(!cursor && source.start ? { start: source.start } : {}) },
      signal,
    });
  };
}

const NONE: LogSnapshot = {
  lines: [],
  count: 0,
  loading: false,
  ended: true,
  error: undefined,
};
const nothing = () => () => undefined;

/** A log, read on while the page is there. `live`: its source may still write. */
export function useLog(
  source: LogSource | undefined,
  live = true,
): LogSnapshot & { retry: () => void } {
  const key = source ? JSON.stringify(source) : "";
  const feed = useMemo(() => (key ? feedOf(JSON.parse(key) as LogSource) : undefined), [key]);
  if (feed) feed.live = live;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of `live` is news
  useEffect(() => feed?.hurry(), [feed, live]);
  const snapshot = useSyncExternalStore(feed?.subscribe ?? nothing, feed?.get ?? (() => NONE));
  return { ...snapshot, retry: feed?.retry ?? (() => undefined) };
}
