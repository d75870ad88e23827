/** The third step: the way to being live, as it happens; then the address, or what to change. */
import { useMutation } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { buildLogQuery } from "@/api/build-log";
import { pipeline } from "@/api/pipeline";
import { usePolled } from "@/api/polling";
import type { Deployment, LogLine, Reason, Version } from "@/api/types";
import { useReport } from "@/api/versions";
import { Button, ButtonLink, buttonClass } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Prose } from "@/components/prose";
import { Stations } from "@/components/stations";
import { Light } from "@/components/status";
import { Ago, duration } from "@/components/time";
import { hasCargo, sendAgain } from "./shipment";

const UNHAPPY = new Set(["failed", "rejected", "cancelled", "rolled_back", "crashed", "stopped"]);

export function Watch({
  name,
  version,
  deployment,
}: {
  name: string;
  version: Version;
  deployment: Deployment | undefined;
}) {
  const report = useReport(version);
  const stations = pipeline(version, report?.steps ?? [], deployment);
  const ended = UNHAPPY.has(version.state) || (deployment && UNHAPPY.has(deployment.state));
  return (
    <div className="space-y-5">
      <p role="status" className="sr-only">
        {deployment?.state === "live" ? `${name} is live` : ended ? "It did not go live" : ""}
      </p>
      <Plate>
        <Stations stations={stations} />
      </Plate>
      {deployment?.state === "live" && deployment.url ? (
        <Live name={name} version={version} deployment={deployment} url={deployment.url} />
      ) : null}
      {ended ? <Ended version={version} deployment={deployment} /> : null}
      <Tail version={version} />
    </div>
  );
}

function Live({
  name,
  version,
  deployment,
  url,
}: {
  name: string;
  version: Version;
  deployment: Deployment;
  url: string;
}) {
  const took =
    Date.parse(deployment.timings.live ?? "") - Date.parse(version.timings.building ?? "");
  return (
    <section className="plate border-starboard/50 bg-starboard-wash p-5" aria-label="Live">
      <div className="flex flex-wrap items-center justify-between gap-4">
        <div className="min-w-0">
          <h2 className="flex items-center gap-2 text-xl">
            <Light tone="live" className="size-3.5" />
            {name} is live
          </h2>
          <p className="mt-1 flex min-w-0 items-center gap-1">
            <code className="truncate">{url}</code>
            <CopyButton text={url} label="Copy the address" />
          </p>
          <p className="text-sm text-ink-2">
            {Number.isFinite(took) && took > 0 ? `After ${duration(took)}. ` : ""}
            {deployment.confirmed_at ? (
              <>
                Confirmed <Ago at={deployment.confirmed_at} />.
              </>
            ) : null}
          </p>
        </div>
        <div className="flex flex-wrap gap-2">
          <a
            href={url}
            target="_blank"
            rel="noreferrer"
            className={buttonClass({ variant: "primary", size: "lg" })}
          >
            <ExternalLink size={17} aria-hidden="true" /> Open it
          </a>
          <ButtonLink to={`/agents/${version.agent_id}`} size="lg">
            Go to its page
          </ButtonLink>
        </div>
      </div>
    </section>
  );
}

function Ended({ version, deployment }: { version: Version; deployment: Deployment | undefined }) {
  const reasons = [...version.reasons, ...(deployment?.reasons ?? [])];
  return (
    <section aria-label="What to change" className="plate border-l-4 border-l-port p-5">
      <h2 className="text-lg text-port">
        {version.state === "cancelled" || deployment?.state === "cancelled"
          ? "It was cancelled"
          : version.candidates.length > 0
            ? "Which of these is it?"
            : "It did not go live"}
      </h2>
      <ul className="mt-2 space-y-2">
        {reasons.map((reason) => (
          <ReasonLine key={`${reason.code} ${reason.detail}`} reason={reason} />
        ))}
      </ul>
      <div className="mt-4 flex flex-wrap gap-2">
        {version.candidates.length > 0 ? <Candidates version={version} /> : null}
        <ButtonLink
          to={`/agents/${version.agent_id}/deploy`}
          variant={version.candidates.length > 0 ? "plain" : "primary"}
        >
          Upload a fixed source
        </ButtonLink>
        <ButtonLink to={`/agents/${version.agent_id}`}>Go to the agent</ButtonLink>
      </div>
    </section>
  );
}

function ReasonLine({ reason }: { reason: Reason }) {
  return (
    <li className="min-w-0 text-sm break-words">
      <Prose text={reason.detail} />
      {reason.file ? (
        <code className="ml-1 text-ink-2">
          {reason.file}
          {reason.line ? `:${reason.line}` : ""}
        </code>
      ) : null}
    </li>
  );
}

/** A source that holds several apps: the chosen one is sent again, and remembered. */
function Candidates({ version }: { version: Version }) {
  const navigate = useNavigate();
  const send = useMutation({
    mutationFn: (choice: string) => sendAgain(version.agent_id, choice),
    onSuccess: (made) => {
      if (made) navigate(`/deploy/${made.agent_id}/${made.id}`);
    },
  });
  if (!hasCargo()) return null;
  return (
    <>
      {version.candidates.map((candidate) => (
        <Button
          key={candidate}
          variant="primary"
          busy={send.isPending && send.variables === candidate}
          onClick={() => send.mutate(candidate)}
        >
          <code>{candidate}</code>
        </Button>
      ))}
      {send.error ? <Problem compact error={send.error} className="w-full" /> : null}
    </>
  );
}

const SHOWN = 400;

function Tail({ version }: { version: Version }) {
  const log = usePolled(buildLogQuery(version.agent_id, version.id), {
    moving: (data) => data.more,
    settles: true,
  });
  const [open, setOpen] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  // Until somebody scrolls up to read.
  const follows = useRef(true);
  const lines = log.data?.lines.slice(-SHOWN) ?? [];
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines are followed
  useEffect(() => {
    const element = box.current;
    if (element && follows.current) element.scrollTop = element.scrollHeight;
  }, [lines.length, open]);
  return (
    <Plate
      title="Build log"
      flush
      actions={
        <Button size="sm" variant="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Hide" : "Show"}
        </Button>
      }
    >
      {open ? (
        <div
          role="log"
          ref={box}
          onScroll={({ currentTarget: at }) => {
            follows.current = at.scrollHeight - at.scrollTop - at.clientHeight < 40;
          }}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          aria-label="Build log"
          className="h-72 overflow-auto p-3 font-mono text-xs leading-5"
        >
          {lines.length === 0 ? (
            <span className="text-ink-3">{log.error ? "" : "Nothing written yet."}</span>
          ) : (
            lines.map((line) => <Line key={line.number} line={line} />)
          )}
        </div>
      ) : null}
      {log.error ? (
        <Problem compact error={log.error} retry={() => log.refetch()} className="m-3" />
      ) : null}
    </Plate>
  );
}

const ANSI = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");

function Line({ line }: { line: LogLine }) {
  const tone =
    line.level === "error" ? "text-port" : line.level === "warning" ? "text-lantern" : "";
  return (
    <span className={`block whitespace-pre-wrap break-words ${tone}`}>
      {line.message.replace(ANSI, "")}
    </span>
  );
}
