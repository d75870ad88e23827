/** How far a source is on its way, as a waterline that rises along draught marks. */
import { CloudOff, X } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/button";
import { Problem } from "@/components/problem";
import { bytes, duration } from "@/components/time";
import type { NotASource } from "./gather";
import type { Step } from "./shipment";

export function Progress({
  step,
  onCancel,
  onAgain,
}: {
  step: Step;
  onCancel: () => void;
  onAgain: (without?: ReadonlySet<string>) => void;
}) {
  if (step.at === "refused")
    return <Refused why={step.why} onAgain={onAgain} onCancel={onCancel} />;
  if (step.at === "failed") {
    return (
      <Problem
        error={step.error}
        retry={() => onAgain()}
        action={
          <Button size="sm" onClick={onCancel}>
            Start over
          </Button>
        }
      />
    );
  }
  const { title, detail, part } = told(step);
  return (
    <section aria-label="On its way" className="plate relative overflow-hidden">
      <div
        aria-hidden="true"
        className="absolute inset-x-0 bottom-0 h-full origin-bottom border-t-2 border-sea bg-sea-wash transition-transform duration-300 ease-out"
        style={{ transform: `translateY(${(1 - part) * 100}%)` }}
      />
      <div
        aria-hidden="true"
        className="draught-y absolute inset-y-4 right-4 hidden text-line-2 sm:block"
      />
      <div className="relative flex min-h-72 flex-col items-center justify-center px-6 py-12 text-center">
        <p className="figures text-3xl font-[640] [font-stretch:116%]" aria-hidden="true">
          {Math.floor(part * 100)}%
        </p>
        <p className="mt-2 text-lg font-[600]" role="status">
          {title}
        </p>
        <p className="figures mt-1 flex min-h-6 items-center gap-2 text-sm text-ink-2">{detail}</p>
        <progress className="sr-only" max={1} value={part} aria-label={title} />
        <Button icon={X} className="mt-6" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </section>
  );
}

function told(step: Step): { title: string; detail: React.ReactNode; part: number } {
  const share = (done: number, all: number) => (all > 0 ? Math.min(1, done / all) : 0);
  switch (step.at) {
    case "gathering":
      return {
        title: "Looking through your files",
        detail: `${step.seen.toLocaleString("en")} found`,
        part: 0.02,
      };
    case "packing":
      return {
        title: `Packing ${count(step.total)}`,
        detail: `${bytes(step.read)} of ${bytes(step.bytes)}`,
        part: 0.05 + 0.25 * share(step.read, step.bytes),
      };
    case "creating":
      return { title: "Making room for it", detail: "", part: 0.32 };
    case "uploading":
      return sending(step.sending, share);
    default:
      return { title: "It is there", detail: "", part: 1 };
  }
}

function sending(
  { sent, total, rate, attempt, waiting }: (Step & { at: "uploading" })["sending"],
  share: (done: number, all: number) => number,
) {
  const part = 0.35 + 0.65 * share(sent, total);
  if (waiting !== "no") {
    return {
      title: waiting === "offline" ? "You are offline" : "The connection broke",
      detail: (
        <>
          <CloudOff size={15} aria-hidden="true" />
          {waiting === "offline"
            ? "It is sent as soon as there is a connection."
            : "It is sent again in a moment."}
        </>
      ),
      part: 0.35,
    };
  }
  const left =
    rate > 0 && total - sent > rate ? `, ${duration(((total - sent) / rate) * 1000)} left` : "";
  const speed = rate > 0 ? ` at ${bytes(rate)}/s${left}` : "";
  return {
    title: attempt > 1 ? `Uploading, attempt ${attempt}` : "Uploading",
    detail: `${bytes(sent)} of ${bytes(total)}${speed}`,
    part,
  };
}

function count(files: number): string {
  return files === 1 ? "1 file" : `${files.toLocaleString("en")} files`;
}

function Refused({
  why,
  onAgain,
  onCancel,
}: {
  why: NotASource;
  onAgain: (without: ReadonlySet<string>) => void;
  onCancel: () => void;
}) {
  const [without, setWithout] = useState<ReadonlySet<string>>(new Set());
  const toggle = (folder: string) => {
    const next = new Set(without);
    if (!next.delete(folder)) next.add(folder);
    setWithout(next);
  };
  return (
    <Problem
      error={why}
      action={
        <div className="w-full space-y-4">
          {why.faults.length > 0 ? (
            <ul className="max-h-60 space-y-1 overflow-y-auto">
              {why.faults.map((fault) => (
                <li key={fault.path} className="break-words">
                  <code className="font-[600]">{fault.path}</code> {fault.detail}
                </li>
              ))}
            </ul>
          ) : null}
          {why.heaviest.length > 0 ? (
            <fieldset>
              <legend className="mb-1 font-[600]">Leave out</legend>
              <ul className="space-y-1">
                {why.heaviest.map(({ folder, files }) => (
                  <li key={folder}>
                    <label className="inline-flex items-center gap-2">
                      <input
                        type="checkbox"
                        className="size-4 accent-sea"
                        checked={without.has(folder)}
                        onChange={() => toggle(folder)}
                      />
                      <code>{folder}</code>
                      <span className="figures text-ink-2">{count(files)}</span>
                    </label>
                  </li>
                ))}
              </ul>
            </fieldset>
          ) : null}
          <div className="flex gap-2">
            {why.heaviest.length > 0 ? (
              <Button
                size="sm"
                variant="primary"
                disabled={without.size === 0}
                onClick={() => onAgain(without)}
              >
                Go on without these
              </Button>
            ) : null}
            <Button size="sm" onClick={onCancel}>
              Choose something else
            </Button>
          </div>
        </div>
      }
    />
  );
}
