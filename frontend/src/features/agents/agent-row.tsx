/** One agent in the list: what it is, how it stands, where it answers. */
import { ArrowUpRight } from "lucide-react";
import { memo } from "react";
import { Link } from "react-router";
import { deploymentMoves, deploymentQuery } from "@/api/deployments";
import { usePolled } from "@/api/polling";
import { deploymentStanding, type Standing, versionStanding } from "@/api/states";
import type { ListedAgent } from "@/api/types";
import { newestVersionQuery, versionMoves } from "@/api/versions";
import { runtimeName } from "@/components/runtime";
import { Light, Status } from "@/components/status";
import { Ago } from "@/components/time";

export const ROW_HEIGHT = 68;

/** Drawn again only when what it shows changes: a long list scrolls past without work. */
export const AgentRow = memo(function AgentRow({ agent }: { agent: ListedAgent }) {
  if (agent.production && deploymentMoves(agent.production)) {
    return <Followed agent={agent} listed={agent.production} />;
  }
  if (!agent.production && agent.version_count > 0) return <Unlaunched agent={agent} />;
  return <Row agent={agent} running={agent.production} />;
});

/** One that nothing runs of: its newest version says why. */
function Unlaunched({ agent }: { agent: ListedAgent }) {
  const { data: newest } = usePolled(newestVersionQuery(agent.id), {
    moving: (version) => version !== null && versionMoves(version),
    settles: true,
  });
  if (!newest || newest.state === "ready") return <Row agent={agent} running={null} />;
  const { tone, label } = versionStanding(newest.state);
  return (
    <Row
      agent={agent}
      running={null}
      standing={{
        tone,
        label: newest.state === "failed" ? "Build failed" : label,
        to: `/agents/${agent.id}/versions/${newest.id}`,
      }}
    />
  );
}

type Running = ListedAgent["production"];

/** One on its way is looked at until it has arrived. */
function Followed({ agent, listed }: { agent: ListedAgent; listed: NonNullable<Running> }) {
  const { data } = usePolled(deploymentQuery(listed.deployment_id), {
    moving: deploymentMoves,
    settles: true,
  });
  return <Row agent={agent} running={data ?? listed} />;
}

function Row({
  agent,
  running,
  standing = running ? deploymentStanding(running.state) : { tone: "ended", label: "Not deployed" },
}: {
  agent: ListedAgent;
  standing?: Standing & { to?: string };
  running:
    | Pick<NonNullable<Running>, "state" | "url" | "confirmed_at" | "version_number">
    | null
    | undefined;
}) {
  return (
    <div className="relative grid h-full grid-cols-[auto_minmax(0,1fr)_auto] items-center gap-x-3.5 px-4 hover:bg-sunk/50 lg:grid-cols-[auto_minmax(0,1fr)_6.5rem_minmax(0,15rem)_9.5rem]">
      <Light tone={standing.tone} />
      <div className="min-w-0">
        <Link
          to={`/agents/${agent.id}`}
          className="block truncate font-[600] -outline-offset-2 after:absolute after:inset-0"
        >
          {agent.name}
        </Link>
        <p className="truncate text-sm text-ink-3">{agent.description || agent.slug}</p>
      </div>
      <span className="hidden truncate text-sm text-ink-2 lg:block">
        {runtimeName(agent.runtime)}
      </span>
      <span className="hidden min-w-0 lg:block">
        {running?.url ? (
          <a
            href={running.url}
            target="_blank"
            rel="noreferrer"
            className="relative z-10 inline-flex max-w-full items-center gap-1 text-sm text-sea hover:underline"
          >
            <span className="truncate font-mono text-xs">
              {running.url.replace(/^https?:\/\//, "")}
            </span>
            <ArrowUpRight size={14} aria-hidden="true" className="shrink-0" />
            <span className="sr-only">opens {agent.name} in a new tab</span>
          </a>
        ) : null}
      </span>
      <span className="figures min-w-0 text-right lg:text-left">
        {standing.to ? (
          <Link to={standing.to} className="relative z-10 underline-offset-2 hover:underline">
            <Status tone={standing.tone} label={standing.label} hideLight />
            <span className="sr-only"> of {agent.name}</span>
          </Link>
        ) : (
          <Status tone={standing.tone} label={standing.label} hideLight />
        )}
        <span className="block truncate text-xs text-ink-3">
          {running?.confirmed_at ? (
            <>
              v{running.version_number}, <Ago at={running.confirmed_at} />
            </>
          ) : (
            <Ago at={agent.updated_at} />
          )}
        </span>
      </span>
    </div>
  );
}
