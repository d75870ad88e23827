/** Two texts set against each other, line by line; long stretches of the same are folded. */
import { clsx } from "clsx";
import { useMemo, useState } from "react";
import { type DiffLine, diffLines } from "./text-diff";

const CONTEXT = 3;

export function Diff({
  before,
  after,
  label,
  className,
}: {
  before: string;
  after: string;
  /** What is compared, read out. */
  label: string;
  className?: string;
}) {
  const lines = useMemo(() => diffLines(before, after), [before, after]);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const parts = useMemo(() => folded(lines), [lines]);
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className={clsx("overflow-x-auto font-mono text-[0.8125rem] leading-[22px]", className)}
    >
      <table className="w-full border-collapse">
        <caption className="sr-only">{label}</caption>
        <tbody>
          {parts.map((part) =>
            part.fold && !open.has(part.from) ? (
              <tr key={part.from}>
                <td colSpan={3} className="bg-sunk/60 p-0">
                  <button
                    type="button"
                    className="w-full px-3 py-0.5 text-left font-sans text-xs text-ink-2 hover:text-ink hover:underline"
                    onClick={() => setOpen(new Set([...open, part.from]))}
                  >
                    {part.lines.length} lines as before
                  </button>
                </td>
              </tr>
            ) : (
              part.lines.map((line) => (
                <Row key={`${line.before ?? ""}:${line.after ?? ""}`} line={line} />
              ))
            ),
          )}
        </tbody>
      </table>
    </section>
  );
}

function Row({ line }: { line: DiffLine }) {
  return (
    <tr
      className={clsx(
        line.kind === "added" && "bg-starboard-wash",
        line.kind === "removed" && "bg-port-wash",
      )}
    >
      <td className="figures w-px min-w-9 pr-2 pl-3 text-right align-top text-xs leading-[22px] text-ink-3 select-none">
        {line.after ?? ""}
      </td>
      <td
        className={clsx(
          "w-px px-1 align-top select-none",
          line.kind === "added" ? "text-starboard" : "text-port",
        )}
      >
        <span aria-hidden="true">
          {line.kind === "added" ? "+" : line.kind === "removed" ? "−" : "\u00a0"}
        </span>
        {line.kind === "same" ? null : <span className="sr-only">{line.kind}</span>}
      </td>
      <td className="pr-3 whitespace-pre">{line.text || "\u00a0"}</td>
    </tr>
  );
}

interface Part {
  fold: boolean;
  from: number;
  lines: DiffLine[];
}

function folded(lines: DiffLine[]): Part[] {
  const near = new Set<number>();
  lines.forEach((line, index) => {
    if (line.kind === "same") return;
    for (let at = index - CONTEXT; at <= index + CONTEXT; at += 1) near.add(at);
  });
  const parts: Part[] = [];
  lines.forEach((line, index) => {
    const fold = near.size > 0 && !near.has(index);
    const last = parts.at(-1);
    if (last && last.fold === fold) last.lines.push(line);
    else parts.push({ fold, from: index, lines: [line] });
  });
  return parts.map((part) => (part.lines.length < 3 ? { ...part, fold: false } : part));
}
