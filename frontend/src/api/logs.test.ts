import { afterEach, describe, expect, it, vi } from "vitest";
import { log, logLine } from "@/testing/things";
import { LogFeed } from "./logs";
import { ApiProblem } from "./problem";

type Page = ReturnType<typeof log>;

function feedOf(pages: (Page | Error)[], most?: number) {
  const cursors: (string | null)[] = [];
  const feed = new LogFeed(async (cursor) => {
    cursors.push(cursor);
    const page = pages[Math.min(cursors.length - 1, pages.length - 1)];
    if (page instanceof Error) throw page;
    return page as Page;
  }, most);
  return { feed, cursors };
}

const many = (count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => logLine(`line ${from + n}`));

afterEach(() => vi.useRealTimers());

describe("a log as it grows", () => {
  it("is read at once while pages are full, and ends when the source says so", async () => {
    const { feed, cursors } = feedOf([
      log(many(2000), true),
      log(many(2000, 2000), true),
      log(many(5, 4000), false),
    ]);
    const done = new Promise<void>((resolve) => {
      const stop = feed.subscribe(() => {
        if (feed.get().ended) {
          stop();
          resolve();
        }
      });
    });
    await done;
    expect(feed.get().count).toBe(4005);
    expect(cursors).toEqual([null, "c", "c"]);
  });

  it("names each line by its time and place in it, the same every time", async () => {
    const { feed } = feedOf([
      log([...many(2), logLine("x", { timestamp: "2026-01-02T00:00:00Z" })]),
    ]);
    feed.subscribe(() => undefined);
    await vi.waitFor(() => expect(feed.get().ended).toBe(true));
    expect(feed.get().lines.map(({ id }) => id)).toEqual([
      "2026-01-01T10:00:00.000Z~0",
      "2026-01-01T10:00:00.000Z~1",
      "2026-01-02T00:00:00Z~0",
    ]);
  });

  it("drops the oldest lines rather than grow for ever", async () => {
    const { feed } = feedOf(
      [log(many(2000), true), log(many(2000, 2000), true), log([], false)],
      1000,
    );
    feed.subscribe(() => undefined);
    await vi.waitFor(() => expect(feed.get().ended).toBe(true));
    expect(feed.get().count).toBe(1000);
    expect(feed.get().lines.at(-1)?.message).toBe("line 3999");
  });

  it("keeps its lines when a call fails, says so, and goes on by itself", async () => {
    vi.useFakeTimers();
    const silent = new ApiProblem({
      status: 0,
      code: "unreachable",
      title: "No answer",
      detail: "",
    });
    const { feed, cursors } = feedOf([log(many(3), true), silent, log(many(1, 3), false)]);
    feed.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(2000);
    expect(feed.get().count).toBe(3);
    expect(feed.get().error?.code).toBe("unreachable");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(feed.get()).toMatchObject({ count: 4, error: undefined, ended: true });
    expect(cursors).toEqual([null, "c", "c"]);
  });

  it("does not ask again for what was refused, until somebody wants it", async () => {
    const gone = new ApiProblem({ status: 404, code: "not_found", title: "Gone", detail: "" });
    const { feed, cursors } = feedOf([gone, log(many(1), false)]);
    feed.subscribe(() => undefined);
    await vi.waitFor(() => expect(feed.get().error?.status).toBe(404));
    expect(cursors.length).toBe(1);
    feed.retry();
    await vi.waitFor(() => expect(feed.get().count).toBe(1));
  });

  it("stops when nobody looks any more", async () => {
    vi.useFakeTimers();
    const { feed, cursors } = feedOf([log([], true)]);
    const stop = feed.subscribe(() => undefined);
    await vi.advanceTimersByTimeAsync(3000);
    stop();
    const before = cursors.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(cursors.length).toBe(before);
  });
});
