/** What the scan found and how the manifest's tests went. */
import { clsx } from "clsx";
import type { Finding, Report, TestResult } from "@/api/versions";
import { Plate } from "@/components/page";
import { Light, Tag, type Tone } from "@/components/status";

const TONE: Record<Finding["level"], Tone> = { block: "failed", warn: "warning", info: "resting" };
const WORD: Record<Finding["level"], string> = {
  block: "Blocks",
  warn: "Warning",
  info: "Note",
};

/** `compact`: shows nothing when there is nothing to see. */
export function Findings({ report, compact = false }: { report: Report; compact?: boolean }) {
  const { findings, tools, unavailable } = report.scan;
  if (compact && findings.length === 0) return null;
  return (
    <Plate title="Scan" note={countWord(findings)} flush>
      {findings.length === 0 ? (
        <p className="flex items-center gap-2 px-4 py-3.5 text-sm">
          <Light tone="live" /> Nothing suspicious was found.
        </p>
      ) : (
        <ul className="divide-y divide-line">
          {findings.map((one) => (
            <li
              key={`${one.rule} ${one.file} ${one.line}`}
              className="flex gap-3 px-4 py-3 text-sm"
            >
              <Light tone={TONE[one.level]} className="mt-1" />
              <div className="min-w-0">
                <p className="font-[600]">
                  <span className="sr-only">{WORD[one.level]}: </span>
                  {one.detail}
                </p>
                <p className="mt-0.5 text-ink-2">{one.advice}</p>
                <p className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-ink-3">
                  {one.file ? (
                    <code className="break-all">
                      {one.file}
                      {one.line ? `:${one.line}` : ""}
                    </code>
                  ) : null}
                  <Tag>{one.severity}</Tag>
                  <code>{one.rule}</code>
                </p>
              </div>
            </li>
          ))}
        </ul>
      )}
      {compact ? null : (
        <div className="space-y-1 border-t border-line px-4 py-2.5 text-xs text-ink-3">
          {tools.length > 0 ? (
            <p>Checked with {tools.map(({ name, detail }) => `${name} (${detail})`).join(", ")}.</p>
          ) : null}
          {unavailable.map(({ name, detail }) => (
            <p key={name}>
              Not checked with {name}: {detail}.
            </p>
          ))}
        </div>
      )}
    </Plate>
  );
}

/** `declared`: how many the manifest names, whether or not they were reached. */
export function Tests({ report, declared }: { report: Report; declared: number }) {
  const passed = report.tests.filter((test) => test.passed).length;
  return (
    <Plate
      title="Tests"
      note={report.tests.length > 0 ? `${passed} of ${report.tests.length} passed` : undefined}
      flush
    >
      {report.tests.length === 0 ? (
        <p className="px-4 py-3.5 text-sm text-ink-2">
          {declared > 0 ? (
            "The build ended before the tests began."
          ) : (
            <>
              The manifest names no tests. Under <code>tests</code> in agent.yaml, say which request
              must get which answer; a version that does not pass is not deployed.
            </>
          )}
        </p>
      ) : (
        <ul className="divide-y divide-line">
          {report.tests.map((test) => (
            <Test key={test.name} test={test} />
          ))}
        </ul>
      )}
    </Plate>
  );
}

function Test({ test }: { test: TestResult }) {
  return (
    <li className="flex gap-3 px-4 py-2.5 text-sm">
      <Light tone={test.passed ? "live" : "failed"} className="mt-1" />
      <div className="min-w-0 flex-1">
        <p className={clsx("break-words", !test.passed && "font-[600]")}>
          {test.name}
          <span className="sr-only">: {test.passed ? "passed" : "failed"}</span>
        </p>
        {test.detail ? <p className="mt-0.5 break-words text-ink-2">{test.detail}</p> : null}
      </div>
      <span className="figures shrink-0 text-xs leading-5 text-ink-3">
        {test.passes} of {test.runs}
      </span>
    </li>
  );
}

function countWord(findings: Finding[]): string | undefined {
  if (findings.length === 0) return undefined;
  const blocking = findings.filter(({ level }) => level === "block").length;
  const rest = findings.length - blocking;
  return [
    blocking ? `${blocking} that ${blocking === 1 ? "blocks" : "block"}` : "",
    rest ? `${rest} to look at` : "",
  ]
    .filter(Boolean)
    .join(", ");
}
