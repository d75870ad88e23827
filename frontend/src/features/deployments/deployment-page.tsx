/** A deployment, live: the pipeline as it moves, what went wrong, what changed, what can be done. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";
import { agentQuery } from "@/api/agents";
import { deploymentMoves } from "@/api/deployments";
import { deploymentStanding } from "@/api/states";
import type { AgentDetail, Deployment } from "@/api/types";
import { CommitFact } from "@/components/commit";
import { CopyButton, Id } from "@/components/copy";
import { Facts, Page, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Status, Tag } from "@/components/status";
import { Ago, Duration } from "@/components/time";
import { DeploymentActions } from "./actions";
import { Changes } from "./changes";
import { EventList } from "./event-list";
import { PipelinePlate } from "./pipeline-plate";
import { useDeploymentPolled, useRun, useVersionPolled } from "./run";
import { RUN_HEAD, RunSkeleton } from "./run-skeleton";

export function DeploymentPage() {
  const { agentId = "", deploymentId = "" } = useParams();
  const agent = useQuery(agentQuery(agentId));
  const query = useDeploymentPolled(deploymentId);
  const name = agent.data?.name ?? "Agent";
  const crumbs = [
    { to: "/agents", label: "Agents" },
    { to: `/agents/${agentId}`, label: name },
    { to: `/agents/${agentId}/deployments`, label: "Deployments" },
  ];
  if (!query.data) {
    return (
      <Page title="Deployment" crumbs={crumbs} {...(query.error ? {} : RUN_HEAD)}>
        {query.error ? (
          <Problem error={query.error} retry={() => query.refetch()} />
        ) : (
          <RunSkeleton />
        )}
      </Page>
    );
  }
  return (
    <Live
      key={deploymentId}
      deployment={query.data}
      agent={agent.data}
      crumbs={crumbs}
      problem={
        query.error ? (
          <Problem compact error={query.error} retry={() => query.refetch()} className="mb-4" />
        ) : null
      }
    />
  );
}

function Live({
  deployment,
  agent,
  crumbs,
  problem,
}: {
  deployment: Deployment;
  agent: AgentDetail | undefined;
  crumbs: { to: string; label: string }[];
  problem: React.ReactNode;
}) {
  const { agent_id: agentId, version_id: versionId } = deployment;
  const version = useVersionPolled(agentId, versionId);
  const run = useRun(version.data, deployment);
  const environment = agent?.environments?.find(({ name }) => name === deployment.environment);
  const serving = environment
    ? environment.serving === deployment.id
    : ["live", "asleep", "crashed"].includes(deployment.state);
  const name = agent?.name ?? "Agent";
  return (
    <Page
      title={`${name}: version ${deployment.version_number}, ${deploymentStanding(deployment.state).label.toLowerCase()}`}
      heading={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          Version {deployment.version_number}
          <Status
            {...deploymentStanding(deployment.state)}
            className="text-base! font-[600]! tracking-normal"
          />
        </span>
      }
      lead={<Lead deployment={deployment} />}
      crumbs={crumbs}
      actions={<DeploymentActions deployment={deployment} serving={serving} agentName={name} />}
    >
      {problem}
      <PipelinePlate
        run={run}
        agentId={agentId}
        aside={
          <>
            <Plate>
              <Facts items={factsOf(deployment, agentId)} />
            </Plate>
            <Plate title="History" flush>
              <EventList events={run.events} />
            </Plate>
          </>
        }
      />
      <div className="mt-5">
        <Changes deployment={deployment} />
      </div>
    </Page>
  );
}

function Lead({ deployment }: { deployment: Deployment }) {
  const { url, confirmed_at: confirmed, state } = deployment;
  return (
    <span className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm">
      <Tag>{deployment.environment}</Tag>
      {url && state !== "failed" ? (
        <span className="inline-flex min-w-0 items-center">
          <a
            href={url}
            target="_blank"
            rel="noopener"
            className="min-w-0 truncate text-sea underline-offset-2 hover:underline"
          >
            {url.replace(/^https?:\/\//, "")}
          </a>
          <CopyButton text={url} label="Copy the address" />
        </span>
      ) : null}
      {confirmed && !deploymentMoves(deployment) ? (
        <span className="text-ink-3">
          confirmed <Ago at={confirmed} />
        </span>
      ) : (
        <span className="text-ink-3">
          asked for <Ago at={deployment.created_at} />
        </span>
      )}
    </span>
  );
}

const TRIGGER: Record<Deployment["trigger"], string> = {
  request: "by request",
  build: "after its build",
  rollback: "as a rollback",
  restore: "to restore what served before",
};

function factsOf(deployment: Deployment, agentId: string): [string, React.ReactNode][] {
  const { timings } = deployment;
  const facts: [string, React.ReactNode][] = [
    [
      "Version",
      <Link
        key="v"
        to={`/agents/${agentId}/versions/${deployment.version_id}`}
        className="text-sea underline-offset-2 hover:underline"
      >
        {deployment.version_number}
      </Link>,
    ],
    ["Environment", deployment.environment],
    ["Deployed", TRIGGER[deployment.trigger]],
  ];
  const { commit } = deployment;
  if (commit) {
    facts.push(["Commit", <CommitFact key="commit" commit={commit} />]);
    facts.push(["Of", `${commit.author}, ${commit.branch}`]);
  }
  if (deployment.rollback_of) {
    facts.push([
      "Same as",
      <Link
        key="r"
        to={`/agents/${agentId}/deployments/${deployment.rollback_of}`}
        className="text-sea underline-offset-2 hover:underline"
      >
        an earlier deployment
      </Link>,
    ]);
  }
  if (timings.queued && timings.live) {
    facts.push(["Took", <Duration key="t" from={timings.queued} to={timings.live} />]);
  }
  if (deployment.restarts > 0) facts.push(["Restarts", deployment.restarts]);
  if (deployment.host_status) facts.push(["Host says", deployment.host_status.toLowerCase()]);
  if (deployment.image) {
    facts.push(["Image", <Digest key="i" image={deployment.image} />]);
    if (deployment.confirmed_image && deployment.confirmed_image !== deployment.image) {
      facts.push(["Served", <Digest key="c" image={deployment.confirmed_image} />]);
    }
  }
  facts.push(["Id", <Id key="id" id={deployment.id} />]);
  return facts;
}

function Digest({ image }: { image: string }) {
  const digest = image.split("@")[1] ?? image;
  return (
    <span className="flex items-center">
      <code className="truncate" title={image}>
        {digest.slice(0, 19)}
      </code>
      <CopyButton text={image} label="Copy the image" className="-my-1" />
    </span>
  );
}
