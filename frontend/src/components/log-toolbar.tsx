/** What can be done with a log: search it, filter it by level, look at it otherwise, take it along. */
import { clsx } from "clsx";
import { ChevronDown, ChevronUp, Copy, Download, Ellipsis, ListFilter, Search } from "lucide-react";
import { useMemo, useRef } from "react";
import { Button, IconButton } from "./button";
import { useOffer } from "./commands";
import { asText, LEVELS, type Level, type LogLineShown } from "./log-lines";
import { useLogTaste } from "./log-state";
import { Menu, MenuItem, MenuLabel, MenuRule } from "./menu";
import { saveFile } from "./save-file";
import { toast } from "./toast";

export function LogSearch({
  value,
  onChange,
  matches,
  position,
  onFind,
}: {
  value: string;
  onChange: (value: string) => void;
  matches: number;
  /** Which match the search stands at, from 1; 0 before it has gone to one. */
  position: number;
  onFind: (by: 1 | -1) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  useOffer(
    useMemo(
      () => [
        {
          id: "log.search",
          title: "Search this log",
          group: "This page" as const,
          keys: "/",
          run: () => input.current?.focus(),
        },
      ],
      [],
    ),
  );
  const some = value.trim() !== "";
  return (
    <search className="flex h-8 min-w-52 flex-1 items-center rounded border border-control/70 bg-plate focus-within:border-sea hover:border-ink-2 sm:max-w-md">
      <Search size={15} aria-hidden="true" className="ml-2.5 shrink-0 text-ink-3" />
      <input
        ref={input}
        type="search"
        aria-label="Search this log"
        placeholder="Search"
        value={value}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") {
            event.preventDefault();
            onFind(event.shiftKey ? -1 : 1);
          }
          if (event.key === "Escape" && value !== "") {
            event.stopPropagation();
            onChange("");
          }
        }}
        className="h-full min-w-0 flex-1 bg-transparent px-2 text-sm outline-none [&::-webkit-search-cancel-button]:hidden"
      />
      <span
        role="status"
        className={clsx(
          "figures shrink-0 px-1 text-xs",
          some && matches === 0 ? "text-port" : "text-ink-3",
        )}
      >
        {!some
          ? ""
          : matches === 0
            ? "No match"
            : position > 0
              ? `${position.toLocaleString("en")} of ${matches.toLocaleString("en")}`
              : `${matches.toLocaleString("en")} ${matches === 1 ? "line" : "lines"}`}
      </span>
      {some ? (
        <>
          <IconButton
            icon={ChevronUp}
            label="Previous match (Shift Enter)"
            size="sm"
            disabled={matches === 0}
            onClick={() => onFind(-1)}
          />
          <IconButton
            icon={ChevronDown}
            label="Next match (Enter)"
            size="sm"
            disabled={matches === 0}
            onClick={() => onFind(1)}
          />
        </>
      ) : null}
    </search>
  );
}

const WORDS: Record<Level, string> = {
  error: "Errors",
  warn: "Warnings",
  info: "Information",
  debug: "Debug",
};

export function LevelMenu({
  levels,
  tally,
  onChange,
}: {
  levels: ReadonlySet<Level>;
  tally: Readonly<Record<Level, number>>;
  onChange: (levels: ReadonlySet<Level>) => void;
}) {
  const flip = (level: Level) => {
    const next = new Set(levels);
    if (next.has(level)) next.delete(level);
    else next.add(level);
    onChange(next.size === LEVELS.length ? new Set() : next);
  };
  const name = levels.size === 0 ? "All levels" : [...levels].map((one) => WORDS[one]).join(", ");
  return (
    <Menu
      label="Levels"
      trigger={
        <Button
          size="sm"
          variant="quiet"
          icon={ListFilter}
          aria-label={`Levels: ${name}`}
          className={levels.size > 0 ? "bg-sea-wash! text-sea!" : undefined}
        >
          <span className="hidden max-w-36 truncate sm:inline">{name}</span>
        </Button>
      }
    >
      <MenuItem checked={levels.size === 0} onSelect={() => onChange(new Set())}>
        All levels
      </MenuItem>
      <MenuRule />
      {LEVELS.map((level) => (
        <MenuItem
          key={level}
          checked={levels.has(level)}
          note={<span className="figures">{tally[level].toLocaleString("en")}</span>}
          onSelect={() => flip(level)}
        >
          {WORDS[level]}
        </MenuItem>
      ))}
    </Menu>
  );
}

export function MoreMenu({
  lines,
  count,
  filename,
  utc,
  onUtc,
}: {
  lines: readonly LogLineShown[];
  count: number;
  filename: string;
  utc: boolean;
  onUtc: (utc: boolean) => void;
}) {
  const { wrap, set } = useLogTaste();
  const whole = () => asText(lines.slice(0, count));
  return (
    <Menu
      label="More about this log"
      trigger={<IconButton icon={Ellipsis} label="More" size="sm" />}
    >
      <MenuItem checked={wrap} onSelect={() => set({ wrap: !wrap })}>
        Wrap long lines
      </MenuItem>
      <MenuLabel>Times</MenuLabel>
      <MenuItem checked={!utc} onSelect={() => onUtc(false)}>
        Your time zone
      </MenuItem>
      <MenuItem checked={utc} onSelect={() => onUtc(true)}>
        UTC
      </MenuItem>
      <MenuRule />
      <MenuItem
        icon={Copy}
        disabled={count === 0}
        onSelect={() => {
          navigator.clipboard.writeText(whole()).then(
            () => toast.done("Log copied"),
            (error: unknown) => toast.failed(error, "This browser does not let pages copy"),
          );
        }}
      >
        Copy
      </MenuItem>
      <MenuItem
        icon={Download}
        disabled={count === 0}
        onSelect={() =>
          saveFile(`${filename}.log`, new Blob([whole()], { type: "text/plain;charset=utf-8" }))
        }
      >
        Download
      </MenuItem>
    </Menu>
  );
}
