/**
 * A log to be read: any number of lines, followed as they come, paused, searched, filtered by level,
 * with a link to each line. Only the lines in sight are drawn.
 */
import { clsx } from "clsx";
import { ArrowDownToLine, History, Pause, Play } from "lucide-react";
import {
  type KeyboardEvent,
  type ReactNode,
  useCallback,
  useDeferredValue,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { Button } from "./button";
import { type LogLineShown, LogSieve, step } from "./log-lines";
import { LogRow } from "./log-row";
import { type LogState, useLogState, useLogTaste } from "./log-state";
import { LevelMenu, LogSearch, MoreMenu } from "./log-toolbar";
import { LogWindow, ROW, type WindowHandle } from "./log-window";
import { Problem } from "./problem";
import { Loading, TextOutline } from "./skeleton";
import { toast } from "./toast";

export interface LogRead {
  /** Append-only: the same array as long as it is the same log. */
  lines: readonly LogLineShown[];
  count: number;
  loading: boolean;
  ended: boolean;
  error: unknown;
  retry: () => void;
}

interface Props {
  /** What the log is of, read out. */
  label: string;
  log: LogRead;
  /** Its source may still write. */
  live: boolean;
  /** What is said while there are no lines. */
  empty: ReactNode;
  /** The name of the file it is saved in, without ending. */
  filename: string;
  /** Reads what lies before the first line. */
  earlier?: (() => void) | undefined;
  /** Beside the search: which log, which deployment. */
  tools?: ReactNode;
  className?: string;
}

export function LogViewer({ label, log, live, empty, filename, earlier, tools, className }: Props) {
  const [state, change] = useLogState();
  const [typed, setTyped] = useTyped(state, change);
  const [frozen, setFrozen] = useState<{ lines: readonly LogLineShown[]; count: number }>();
  const { wrap } = useLogTaste();
  const { lines, count } = frozen ?? log;
  const sieve = useRef(new LogSieve()).current;
  const query = useDeferredValue(typed);
  const shown = useMemo(
    () => sieve.sift(lines, count, { levels: state.levels, query }),
    [sieve, lines, count, state.levels, query],
  );
  const scroller = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState(-1);
  const rowOf = useCallback((row: number) => (shown.rows ? (shown.rows[row] ?? 0) : row), [shown]);
  const handle = useRef<WindowHandle>(null);
  const [follow, setFollow] = useFollow(scroller, state.line);

  const rowWithId = useCallback(
    (id: string): number => {
      const at = lines.findIndex((line) => line.id === id);
      if (at < 0 || !shown.rows) return at;
      return shown.rows.indexOf(at);
    },
    [lines, shown.rows],
  );

  // A link's line is looked for until it has been read, and gone to once.
  const arrived = useRef<string | null>(null);
  useEffect(() => {
    if (!state.line || arrived.current === state.line || count === 0) return;
    const row = rowWithId(state.line);
    if (row < 0) return;
    arrived.current = state.line;
    setFollow(false);
    handle.current?.show(row, "center");
  }, [state.line, count, rowWithId, setFollow]);

  const choose = useCallback(
    (id: string) => {
      arrived.current = id;
      change({ line: id });
    },
    [change],
  );
  const copyLink = useCallback((id: string) => {
    const url = new URL(location.href);
    url.searchParams.set("line", id);
    navigator.clipboard.writeText(url.href).then(
      () => toast.done("Link copied"),
      () => toast.note("This browser does not let pages copy; the address bar has the link."),
    );
  }, []);
  const find = (by: 1 | -1) => {
    const next = step(shown.matches, current, by);
    if (next < 0) return;
    setCurrent(next);
    setFollow(false);
    handle.current?.show(next, "center");
  };
  const move = (by: 1 | -1) => {
    const from = state.line ? rowWithId(state.line) : -1;
    const start = handle.current?.first() ?? 0;
    const next = from < 0 ? start : Math.max(0, Math.min(shown.count - 1, from + by));
    const line = lines[rowOf(next)];
    if (!line) return;
    setFollow(false);
    choose(line.id);
    handle.current?.show(next, "auto");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "c" && state.line) copyLink(state.line);
    else if (event.key === "n") find(1);
    else if (event.key === "N") find(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const row = useCallback(
    (index: number) => {
      const line = lines[rowOf(index)];
      return line ? (
        <LogRow
          line={line}
          query={query}
          utc={state.utc}
          wrap={wrap}
          current={index === current}
          chosen={line.id === state.line}
          onChoose={choose}
          onCopyLink={copyLink}
        />
      ) : null;
    },
    [lines, rowOf, query, state.utc, state.line, wrap, current, choose, copyLink],
  );

  const behind = frozen ? log.count - frozen.count : 0;
  const position = shown.matches.indexOf(current) + 1;
  return (
    <section
      aria-label={label}
      className={clsx("plate flex min-h-0 min-w-0 flex-col overflow-clip", className)}
    >
      <div className="flex flex-wrap items-center gap-2 border-b border-line p-2">
        {tools}
        <LogSearch
          value={typed}
          onChange={(value) => {
            setTyped(value);
            setCurrent(-1);
          }}
          matches={shown.matches.length}
          position={position}
          onFind={find}
        />
        <div className="ml-auto flex items-center gap-1">
          <LevelMenu
            levels={state.levels}
            tally={shown.tally}
            onChange={(levels) => change({ levels })}
          />
          {live ? (
            <Button
              size="sm"
              variant="quiet"
              icon={frozen ? Play : Pause}
              aria-pressed={frozen !== undefined}
              aria-label={frozen ? "Resume" : "Pause"}
              onClick={() => setFrozen(frozen ? undefined : { lines: log.lines, count: log.count })}
            >
              <span className="hidden sm:inline">{frozen ? "Resume" : "Pause"}</span>
            </Button>
          ) : null}
          <Button
            size="sm"
            variant="quiet"
            icon={ArrowDownToLine}
            aria-pressed={follow}
            aria-label={live ? "Follow" : "To the end"}
            className={follow && live ? "bg-sea-wash! text-sea!" : undefined}
            onClick={() => {
              setFrozen(undefined);
              setFollow(true);
            }}
          >
            <span className="hidden sm:inline">{live ? "Follow" : "To the end"}</span>
          </Button>
          <MoreMenu
            lines={lines}
            count={count}
            filename={filename}
            utc={state.utc}
            onUtc={(utc) => change({ utc })}
          />
        </div>
      </div>
      {log.error ? <Problem compact error={log.error} retry={log.retry} className="m-2" /> : null}
      <div className="relative min-h-48 flex-1">
        <div
          ref={scroller}
          role="log"
          aria-label={`${label}: lines`}
          aria-live="off"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          onKeyDown={onKeyDown}
          className="absolute inset-0 overflow-auto overscroll-contain bg-plate font-mono text-[0.8125rem] -outline-offset-2"
        >
          {shown.count === 0 ? (
            <Nothing log={log} filtered={lines.length > 0} empty={empty} />
          ) : (
            <>
              {earlier && log.count > 0 ? (
                <div className="sticky left-0 flex justify-center border-b border-line py-1">
                  <Button size="sm" variant="quiet" icon={History} onClick={earlier}>
                    Read from the beginning
                  </Button>
                </div>
              ) : null}
              <LogWindow
                handle={handle}
                scroller={scroller}
                count={shown.count}
                wide={shown.longest}
                wrap={wrap}
                stay={follow && !frozen}
                row={row}
              />
            </>
          )}
        </div>
        {behind > 0 ? (
          <div className="pointer-events-none absolute inset-x-0 bottom-3 flex justify-center">
            <Button
              size="sm"
              variant="primary"
              className="pointer-events-auto shadow-float"
              onClick={() => {
                setFrozen(undefined);
                setFollow(true);
              }}
            >
              {behind.toLocaleString("en")} new {behind === 1 ? "line" : "lines"}
            </Button>
          </div>
        ) : null}
      </div>
      <footer className="figures flex flex-wrap items-center gap-x-3 border-t border-line px-3 py-1.5 text-xs text-ink-3">
        <span>
          {shown.rows ? `${shown.count.toLocaleString("en")} of ` : ""}
          {count.toLocaleString("en")} {count === 1 ? "line" : "lines"}
        </span>
        <span aria-live="polite">
          {frozen
            ? "Paused"
            : log.loading
              ? "Reading"
              : log.error
                ? count > 0
                  ? "Interrupted"
                  : "Could not be read"
                : live && !log.ended
                  ? "Live"
                  : "Complete"}
        </span>
        <span className="ml-auto">{state.utc ? "UTC" : zoneName()}</span>
      </footer>
    </section>
  );
}

function Nothing({ log, filtered, empty }: { log: LogRead; filtered: boolean; empty: ReactNode }) {
  if (filtered) {
    return (
      <p className="p-6 text-center font-sans text-sm text-ink-2">
        No line has one of the chosen levels.
      </p>
    );
  }
  if (log.loading) {
    return (
      <Loading what="Reading the log">
        <TextOutline className="p-3" />
      </Loading>
    );
  }
  if (log.error) return null;
  return <div className="p-6 text-center font-sans text-sm text-ink-2">{empty}</div>;
}

/** What is typed shows at once; the address follows when the hands rest. */
function useTyped(
  state: LogState,
  change: (next: Partial<LogState>) => void,
): [string, (value: string) => void] {
  const [typed, setTyped] = useState(state.query);
  useEffect(() => {
    if (typed === state.query) return;
    const timer = setTimeout(() => change({ query: typed }), 300);
    return () => clearTimeout(timer);
  }, [typed, state.query, change]);
  return [typed, setTyped];
}

/** Whether to stay at the end while lines come: until somebody scrolls up. */
function useFollow(
  scroller: React.RefObject<HTMLDivElement | null>,
  at: string | null,
): [boolean, (follow: boolean) => void] {
  const [follow, setFollow] = useState(at === null);
  const following = useRef(follow);
  following.current = follow;
  useEffect(() => {
    const box = scroller.current;
    if (!box) return;
    // Not asked for now, which would lay the page out once more: the first scrolling tells.
    let top: number | null = null;
    const onScroll = () => {
      const now = box.scrollTop;
      const rest = box.scrollHeight - now - box.clientHeight;
      if (top !== null) {
        if (now < top - 1 && rest > ROW && following.current) setFollow(false);
        else if (rest < 2 && now > top + 1 && !following.current) setFollow(true);
      }
      top = now;
    };
    box.addEventListener("scroll", onScroll, { passive: true });
    return () => box.removeEventListener("scroll", onScroll);
  }, [scroller]);
  return [follow, setFollow];
}

function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
