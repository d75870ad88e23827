/** One line of a log: when, how grave, and what, in the colours it was written in. */
import { clsx } from "clsx";
import { Link2 } from "lucide-react";
import { memo } from "react";
import { IconButton } from "./button";
import { type Hue, type Piece, pieces } from "./log-ansi";
import { type Level, type LogLineShown, levelOf, marked, textOf } from "./log-lines";

const LONGEST = 5000;
const HUE: Record<Hue, string> = {
  ink: "text-ink",
  red: "text-port",
  green: "text-starboard",
  yellow: "text-lantern",
  blue: "text-sea",
  magenta: "text-magenta",
  cyan: "text-cyan",
  grey: "text-ink-3",
};
const BAR: Record<Level, string> = {
  error: "border-l-port bg-port-wash",
  warn: "border-l-lantern bg-lantern-wash",
  info: "border-l-transparent",
  debug: "border-l-transparent",
};
const MARK: Record<Level, string> = { error: "ERR", warn: "WRN", info: "", debug: "DBG" };
const MARK_HUE: Record<Level, string> = {
  error: "text-port",
  warn: "text-lantern",
  info: "",
  debug: "text-ink-3",
};

interface RowProps {
  line: LogLineShown;
  query: string;
  utc: boolean;
  wrap: boolean;
  /** The match the search stands at. */
  current: boolean;
  /** The line a link points to. */
  chosen: boolean;
  onChoose: (id: string) => void;
  onCopyLink: (id: string) => void;
}

export const LogRow = memo(function LogRow({
  line,
  query,
  utc,
  wrap,
  current,
  chosen,
  onChoose,
  onCopyLink,
}: RowProps) {
  const level = levelOf(line);
  return (
    <div
      className={clsx(
        "group flex min-h-[22px] border-l-2 pr-3 leading-[22px]",
        chosen ? "border-l-oxide bg-sea-wash" : BAR[level],
        !chosen && level === "info" && "hover:bg-sunk/60",
        current && "outline-2 -outline-offset-2 outline-sea",
        wrap ? "w-full" : "w-max min-w-full",
      )}
    >
      <button
        type="button"
        tabIndex={-1}
        title={title(line.timestamp, utc)}
        onClick={() => onChoose(line.id)}
        className="figures shrink-0 self-start pr-2 pl-2.5 text-ink-3 select-none hover:text-ink hover:underline"
      >
        <time dateTime={line.timestamp}>
          {clock(line.timestamp, utc)}
          <span className="hidden sm:inline">{fraction(line.timestamp)}</span>
        </time>
      </button>
      <span
        aria-hidden="true"
        className={clsx(
          "shrink-0 self-start text-[0.6875rem] font-[600] select-none sm:w-8",
          MARK[level] && "w-8",
          MARK_HUE[level],
        )}
      >
        {MARK[level]}
      </span>
      <span
        className={clsx(
          "min-w-0 flex-1",
          wrap ? "break-words whitespace-pre-wrap [overflow-wrap:anywhere]" : "whitespace-pre",
          level === "debug" && "text-ink-2",
        )}
      >
        {MARK[level] ? <span className="sr-only">{level}: </span> : null}
        <Words line={line} query={query} />
      </span>
      {chosen ? (
        <span className="sticky right-1 -my-0.5 ml-2 shrink-0 self-start rounded bg-sea-wash">
          <IconButton
            icon={Link2}
            label="Copy link to this line"
            size="sm"
            onClick={() => onCopyLink(line.id)}
          />
        </span>
      ) : null}
    </div>
  );
});

function Words({ line, query }: { line: LogLineShown; query: string }) {
  const whole = textOf(line);
  const over = whole.length - LONGEST;
  const shown = query.trim() === "" ? coloured(line, over > 0) : hits(whole, query);
  return (
    <>
      {shown}
      {over > 0 ? (
        <span className="text-ink-3"> … {over} more characters; the download has them all</span>
      ) : null}
    </>
  );
}

function coloured(line: LogLineShown, cut: boolean) {
  if (cut) return textOf(line).slice(0, LONGEST);
  const parts = pieces(line.message);
  if (parts.length === 1 && parts[0] && !parts[0].hue) return parts[0].text || "\u00a0";
  return parts.map((piece, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of a line never change
    <span key={index} className={lookOf(piece)}>
      {piece.text}
    </span>
  ));
}

function hits(text: string, query: string) {
  return marked(text.slice(0, LONGEST), query).map((part, index) =>
    part.hit ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a line never change
      <mark key={index} className="rounded-sm bg-lantern text-page">
        {part.text}
      </mark>
    ) : (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a line never change
      <span key={index}>{part.text}</span>
    ),
  );
}

function lookOf(piece: Piece): string {
  return clsx(
    piece.hue && HUE[piece.hue],
    piece.bold && "font-[680]",
    piece.dim && !piece.hue && "text-ink-3",
    piece.italic && "italic",
    piece.underline && "underline",
  );
}

const two = (value: number) => String(value).padStart(2, "0");

/** Hours, minutes and seconds; written by hand, since this runs for every line that scrolls by. */
export function clock(timestamp: string, utc: boolean): string {
  const at = new Date(timestamp);
  if (Number.isNaN(at.getTime())) return timestamp.slice(11, 19);
  return utc
    ? `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`
    : `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function fraction(timestamp: string): string {
  const found = /\.(\d{1,3})/.exec(timestamp);
  return found ? `.${(found[1] ?? "").padEnd(3, "0")}` : "";
}

function title(timestamp: string, utc: boolean): string {
  const at = new Date(timestamp);
  if (Number.isNaN(at.getTime())) return timestamp;
  return utc ? timestamp : `${at.toLocaleString()} (${timestamp})`;
}
