/** One agent in the list: what it is, how it stands, where it answers. */
import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { ArrowUpRight } from "lucide-react";
import { memo, useEffect } from "react";
import { Link } from "react-router";
import { agentKeys } from "@/api/agents";
import { deploymentMoves, deploymentQuery } from "@/api/deployments";
import { usePolled } from "@/api/polling";
import type { ListedAgent } from "@/api/types";
import { versionMoves, versionOwes, versionQuery } from "@/api/versions";
import { runtimeName } from "@/components/runtime";
import { Light, Status } from "@/components/status";
import { Ago } from "@/components/time";
import { type Latest, standingOf } from "./standing";

export const ROW_HEIGHT = 68;
const SHOWN = 240;

/** Drawn again only when what it shows changes: a long list scrolls past without work. */
export const AgentRow = memo(function AgentRow({ agent }: { agent: ListedAgent }) {
  const { production, latest } = agent;
  if (production && deploymentMoves(production)) {
    return <Released agent={agent} listed={production} />;
  }
  if (!production && latest && versionMoves({ state: latest.version_state })) {
    return <Built agent={agent} latest={latest} />;
  }
  return <Row agent={agent} />;
});

type Production = NonNullable<ListedAgent["production"]>;

/** A deployment on its way is looked at until it has arrived. */
function Released({ agent, listed }: { agent: ListedAgent; listed: Production }) {
  const { data } = usePolled(deploymentQuery(listed.deployment_id), {
    moving: deploymentMoves,
    settles: true,
  });
  useArrival(data !== undefined && !deploymentMoves(data));
  return <Row agent={data ? { ...agent, production: { ...listed, ...data } } : agent} />;
}

/** And so is a version, of an agent that nothing runs of. */
function Built({ agent, latest }: { agent: ListedAgent; latest: Latest }) {
  const { data } = usePolled(versionQuery(agent.id, latest.version_id), {
    moving: versionOwes,
    settles: true,
  });
  useArrival(data !== undefined && !versionOwes(data));
  return (
    <Row agent={data ? { ...agent, latest: { ...latest, version_state: data.state } } : agent} />
  );
}

/** What the list counts is read again, unless it has become too long for that. */
function useArrival(arrived: boolean): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!arrived) return;
    const read = client.getQueryData<InfiniteData<unknown>>(agentKeys.list);
    if ((read?.pages.length ?? 0) <= 2) {
      void client.invalidateQueries({ queryKey: agentKeys.list, exact: true });
    }
  }, [arrived, client]);
}

/** As much as the widest window shows: all of a long text would be laid out for every row. */
function glance(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function Row({ agent }: { agent: ListedAgent }) {
  const running = agent.production;
  const standing = standingOf(agent);
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
        <p className="truncate text-sm text-ink-3">{glance(agent.description) || agent.slug}</p>
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
