/** One record: a line, and opened all it holds, with what was before and after. */
import { clsx } from "clsx";
import { ChevronRight } from "lucide-react";
import type { AuditRecord } from "@/api/types";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Facts } from "@/components/page";
import { Light, type Tone } from "@/components/status";
import { Ago, Exact } from "@/components/time";

const TONES: Record<string, Tone> = { done: "live", denied: "failed", refused: "warning" };

export function AuditRow({
  record,
  own,
  open,
  onToggle,
  narrow,
}: {
  record: AuditRecord;
  own: boolean;
  open: boolean;
  onToggle: (open: boolean) => void;
  narrow: (changes: Record<string, string>) => void;
}) {
  const { actor } = record;
  const who = own
    ? "You"
    : actor.name || actor.email || (actor.id === "system" ? "Slipway" : "Somebody");
  const id = `record-${record.sequence}`;
  return (
    <li id={id}>
      <button
        type="button"
        aria-expanded={open}
        aria-controls={`${id}-detail`}
        onClick={() => onToggle(!open)}
        className="flex min-h-14 w-full items-center gap-3 px-4 py-2 text-left text-sm -outline-offset-2 hover:bg-sunk/50"
      >
        <ChevronRight
          size={15}
          aria-hidden="true"
          className={clsx("shrink-0 text-ink-3 transition-transform", open && "rotate-90")}
        />
        <Light tone={TONES[record.result] ?? "ended"} />
        <span className="min-w-0 flex-1">
          <span className="block truncate">
            <span className="font-[560]">{who}</span>{" "}
            <span className="text-ink-2">{record.action.replace(".", " ").replace(/_/g, " ")}</span>
            {record.result === "done" ? null : (
              <span className="text-port"> · {record.result}</span>
            )}
          </span>
          <code className="block truncate text-xs text-ink-3">{record.subject}</code>
        </span>
        <Ago at={record.at} className="shrink-0 text-ink-3" />
      </button>
      {open ? (
        <div id={`${id}-detail`} className="space-y-4 bg-sunk/40 px-4 pt-2 pb-4 sm:pl-11">
          <Facts
            items={[
              ["Record", <span key="n">{record.sequence}</span>],
              ["When", <Exact key="t" at={record.at} />],
              [
                "Who",
                <span key="w" className="flex flex-wrap items-center gap-x-2">
                  {who}
                  {actor.email ? <span className="text-ink-3">{actor.email}</span> : null}
                  <code className="break-all">{actor.id}</code>
                  {actor.token_id ? (
                    <span>
                      with token <code className="break-all">{actor.token_id}</code>
                    </span>
                  ) : null}
                </span>,
              ],
              ["Action", <code key="a">{record.action}</code>],
              [
                "On",
                <code key="s" className="break-all">
                  {record.subject}
                </code>,
              ],
              ["Result", record.result],
              [
                "From",
                record.address ? <code key="f">{record.address}</code> : "inside the platform",
              ],
              ...(record.trace_id
                ? ([["Trace", <Copied key="x" text={record.trace_id} what="trace id" />]] as [
                    string,
                    React.ReactNode,
                  ][])
                : []),
              ["Hash", <Copied key="h" text={record.hash} what="hash" />],
            ]}
          />
          <Change before={record.before} after={record.after} />
          <div className="flex flex-wrap gap-2">
            <Button size="sm" onClick={() => narrow({ subject: record.subject })}>
              All on this
            </Button>
            <Button size="sm" onClick={() => narrow({ actor: actor.id })}>
              All by {own ? "you" : who}
            </Button>
            <Button size="sm" onClick={() => narrow({ action: record.action })}>
              All like this
            </Button>
          </div>
        </div>
      ) : null}
    </li>
  );
}

function Copied({ text, what }: { text: string; what: string }) {
  return (
    <span className="flex items-center gap-1">
      <code className="min-w-0 break-all">{text}</code>
      <CopyButton text={text} label={`Copy the ${what}`} />
    </span>
  );
}

/** Only what changed is recorded, so both sides are shown whole. */
function Change({
  before,
  after,
}: {
  before: Record<string, unknown>;
  after: Record<string, unknown>;
}) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  if (names.length === 0) return null;
  return (
    <section
      aria-label="What changed"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className="overflow-x-auto rounded border border-line bg-plate"
    >
      <table className="w-full min-w-96 table-fixed text-sm">
        <thead className="text-left text-xs text-ink-3">
          <tr className="border-b border-line">
            <th scope="col" className="w-1/4 px-3 py-1.5 font-[560]">
              What
            </th>
            <th scope="col" className="px-3 py-1.5 font-[560]">
              Before
            </th>
            <th scope="col" className="px-3 py-1.5 font-[560]">
              After
            </th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {names.map((name) => (
            <tr key={name} className="align-top">
              <th scope="row" className="px-3 py-1.5 text-left font-normal break-words text-ink-2">
                {name.replace(/_/g, " ")}
              </th>
              <td className="px-3 py-1.5 break-words">{shown(before[name])}</td>
              <td className="px-3 py-1.5 break-words">{shown(after[name])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function shown(value: unknown): string {
  if (value === undefined || value === null || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
