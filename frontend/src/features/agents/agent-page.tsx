/** The frame of everything about one agent: its name, how it stands, and its parts. */
import { ExternalLink, Upload } from "lucide-react";
import { useMemo } from "react";
import { Outlet, useLocation, useNavigate, useParams } from "react-router";
import { agentQuery } from "@/api/agents";
import { usePolled } from "@/api/polling";
import { deploymentStanding } from "@/api/states";
import type { AgentDetail } from "@/api/types";
import { ButtonLink, buttonClass } from "@/components/button";
import { type Command, useOffer } from "@/components/commands";
import { Page, Tabs } from "@/components/page";
import { Boundary, Problem } from "@/components/problem";
import { Status } from "@/components/status";
import { usePlaces } from "./agent";
import { AGENT_HEAD, PartOutline } from "./part-outline";

const PARTS: [path: string, label: string, keys: string, end?: true][] = [
  ["", "Overview", "g w", true],
  ["deployments", "Deployments", "g d"],
  ["versions", "Versions", "g r"],
  ["logs", "Logs", "g l"],
  ["metrics", "Metrics", "g x"],
  ["variables", "Variables", "g v"],
  ["repository", "Repository", "g y"],
  ["listing", "Marketplace", "g k"],
  ["settings", "Settings", "g s"],
];
const CRUMBS = [{ to: "/agents", label: "Agents" }];

export function AgentPage() {
  const { agentId = "" } = useParams();
  const { pathname } = useLocation();
  const query = usePolled(agentQuery(agentId), {
    moving: (agent) => (agent.environments ?? []).some(({ moving, queued }) => moving || queued),
  });
  if (!query.data) {
    return (
      <Page
        title="Agent"
        crumbs={CRUMBS}
        tabs={<AgentTabs agentId={agentId} />}
        {...(query.error ? {} : AGENT_HEAD)}
      >
        {query.error ? (
          <Problem
            error={query.error}
            retry={() => query.refetch()}
            action={
              <ButtonLink to="/agents" size="sm">
                All agents
              </ButtonLink>
            }
          />
        ) : (
          <PartOutline part={partAt(pathname)?.[0] ?? ""} />
        )}
      </Page>
    );
  }
  return <Framed agent={query.data} problem={query.error} retry={() => query.refetch()} />;
}

function Framed({
  agent,
  problem,
  retry,
}: {
  agent: AgentDetail;
  problem: Error | null;
  retry: () => void;
}) {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const [place] = usePlaces(agent);
  const current = place?.now;
  const url = current && ["live", "asleep"].includes(current.state) ? current.url : null;
  const part = partAt(pathname);
  useOffer(
    useMemo(() => {
      const commands: Command[] = PARTS.map(([path, label, keys]) => ({
        id: `agent.${path}`,
        title: `${label} of ${agent.name}`,
        group: "This page",
        keys,
        run: () => navigate(`/agents/${agent.id}${path ? `/${path}` : ""}`),
      }));
      commands.push({
        id: "agent.deploy",
        title: `Deploy a new version of ${agent.name}`,
        group: "This page",
        keys: "d",
        run: () => navigate(`/agents/${agent.id}/deploy`),
      });
      if (url) {
        commands.push({
          id: "agent.open",
          title: `Open ${agent.name}`,
          group: "This page",
          keys: "o",
          run: () => window.open(url, "_blank", "noopener"),
        });
      }
      return commands;
    }, [agent.id, agent.name, url, navigate]),
  );
  return (
    <Page
      title={part ? `${agent.name}: ${part[1].toLowerCase()}` : agent.name}
      heading={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <bdi className="min-w-0 break-words">{agent.name}</bdi>
          {current ? (
            <Status
              {...deploymentStanding(current.state)}
              className="text-base! font-[600]! tracking-normal"
            />
          ) : null}
        </span>
      }
      lead={agent.description ? <p className="line-clamp-2">{agent.description}</p> : undefined}
      crumbs={CRUMBS}
      actions={
        <>
          {url ? (
            <a href={url} target="_blank" rel="noopener" className={buttonClass({})}>
              <ExternalLink size={16} aria-hidden="true" />
              Open
            </a>
          ) : null}
          <ButtonLink to={`/agents/${agent.id}/deploy`} icon={Upload} variant="primary">
            New version
          </ButtonLink>
        </>
      }
      tabs={<AgentTabs agentId={agent.id} />}
    >
      {problem ? <Problem compact error={problem} retry={retry} className="mb-4" /> : null}
      <Boundary at={pathname}>
        <Outlet context={agent} />
      </Boundary>
    </Page>
  );
}

/** The part that an address leads to; none is the overview. */
function partAt(pathname: string) {
  return PARTS.find(([path]) => path !== "" && pathname.endsWith(`/${path}`));
}

function AgentTabs({ agentId }: { agentId: string }) {
  return (
    <Tabs
      label="Parts of this agent"
      tabs={PARTS.map(([path, label, , end]) => ({
        to: `/agents/${agentId}${path ? `/${path}` : ""}`,
        label,
        end: end ?? false,
      }))}
    />
  );
}
