/** Why it failed, what to change, and the lines of the log that show it. */
import type { Line } from "@/api/logs";
import type { Reason } from "@/api/types";
import { levelOf, textOf } from "@/components/log-lines";
import { LogRow } from "@/components/log-row";
import { useLogState } from "@/components/log-state";
import { Light } from "@/components/status";

const MOST = 14;

export function Reasons({
  title,
  reasons,
  lines = [],
  onLine,
}: {
  title: string;
  reasons: Reason[];
  lines?: Line[];
  /** Shows a line in its log. */
  onLine?: (id: string) => void;
}) {
  const [{ utc }] = useLogState();
  return (
    <section
      aria-labelledby="what-to-change"
      className="plate overflow-clip border-port/50 border-l-4 border-l-port"
    >
      <div className="px-4 pt-3.5 pb-4 sm:px-5">
        <h2 id="what-to-change" className="flex items-center gap-2 text-base text-port">
          <Light tone="failed" />
          {title}
        </h2>
        <ul className="mt-2.5 max-w-3xl space-y-3">
          {reasons.map((reason) => (
            <li key={`${reason.code} ${reason.file} ${reason.line} ${reason.detail}`}>
              <p className="break-words whitespace-pre-line">{reason.detail}</p>
              <p className="mt-0.5 flex flex-wrap gap-x-3 text-sm text-ink-3">
                {reason.file ? (
                  <code>
                    {reason.file}
                    {reason.line ? `:${reason.line}` : ""}
                  </code>
                ) : null}
                <code>{reason.code}</code>
              </p>
            </li>
          ))}
        </ul>
      </div>
      {lines.length > 0 ? (
        <section
          aria-label="The lines of the log that matter"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          className="overflow-x-auto border-t border-line bg-sunk/50 py-2 font-mono text-[0.8125rem]"
        >
          {lines.map((line) => (
            <LogRow
              key={line.id}
              line={line}
              query=""
              utc={utc}
              wrap
              current={false}
              chosen={false}
              onChoose={(id) => onLine?.(id)}
              onCopyLink={() => undefined}
            />
          ))}
        </section>
      ) : null}
    </section>
  );
}

/** The lines before the end that show what went wrong: what the platform says itself is left out. */
export function telling(lines: readonly Line[], count: number, reasons: Reason[]): Line[] {
  const said = lines
    .slice(0, count)
    .filter((line) => !reasons.some(({ detail }) => textOf(line).includes(detail)))
    .filter((line) => !/^(fetch|scan|build|start|test|publish) finished in /.test(line.message));
  const lastError = said.findLastIndex((line) => levelOf(line) === "error");
  const end = lastError >= 0 ? Math.min(said.length, lastError + 3) : said.length;
  return said.slice(Math.max(0, end - MOST), end);
}
