/** A version: its way to being ready, what the scan and the tests said, and its manifest. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Ban, Ship } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { agentQuery } from "@/api/agents";
import { api, newIdempotencyKey } from "@/api/client";
import { deploy, deploymentKeys } from "@/api/deployments";
import { versionStanding } from "@/api/states";
import type { AgentDetail, Version } from "@/api/types";
import { cancelVersion, versionKeys, versionMoves } from "@/api/versions";
import { Button, ButtonLink } from "@/components/button";
import { CommitFact } from "@/components/commit";
import { CodeBlock, Id } from "@/components/copy";
import { Facts, Page, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { runtimeName } from "@/components/runtime";
import { Status, Tag } from "@/components/status";
import { Ago, bytes, Duration } from "@/components/time";
import { toast } from "@/components/toast";
import { toYaml } from "@/components/yaml";
import { PipelinePlate } from "./pipeline-plate";
import { Findings, Tests } from "./report";
import { useRun, useVersionPolled } from "./run";
import { RUN_HEAD, RunSkeleton } from "./run-skeleton";

export function VersionPage() {
  const { agentId = "", versionId = "" } = useParams();
  const agent = useQuery(agentQuery(agentId));
  const query = useVersionPolled(agentId, versionId);
  const crumbs = [
    { to: "/agents", label: "Agents" },
    { to: `/agents/${agentId}`, label: agent.data?.name ?? "Agent" },
    { to: `/agents/${agentId}/versions`, label: "Versions" },
  ];
  useGoOn(agentId, query.data);
  if (!query.data) {
    return (
      <Page title="Version" crumbs={crumbs} {...(query.error ? {} : RUN_HEAD)}>
        {query.error ? (
          <Problem error={query.error} retry={() => query.refetch()} />
        ) : (
          <RunSkeleton />
        )}
      </Page>
    );
  }
  return (
    <Built key={versionId} version={query.data} agent={agent.data} crumbs={crumbs}>
      {query.error ? (
        <Problem compact error={query.error} retry={() => query.refetch()} className="mb-4" />
      ) : null}
    </Built>
  );
}

/** Whoever watched it being built goes on to its deployment when there is one. */
function useGoOn(agentId: string, version: Version | undefined): void {
  const navigate = useNavigate();
  const watched = useRef(false);
  if (version && (versionMoves(version) || (version.deploy && !version.deployment_id))) {
    watched.current = true;
  }
  const next = watched.current ? version?.deployment_id : null;
  useEffect(() => {
    if (next) {
      navigate(`/agents/${agentId}/deployments/${next}`, {
        replace: true,
        preventScrollReset: true,
      });
    }
  }, [agentId, next, navigate]);
}

function Built({
  version,
  agent,
  crumbs,
  children,
}: {
  version: Version;
  agent: AgentDetail | undefined;
  crumbs: { to: string; label: string }[];
  children: React.ReactNode;
}) {
  const run = useRun(version, undefined);
  const name = agent?.name ?? "Agent";
  return (
    <Page
      title={`${name}: version ${version.number}, ${versionStanding(version.state).label.toLowerCase()}`}
      heading={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          Version {version.number}
          <Status
            {...versionStanding(version.state)}
            className="text-base! font-[600]! tracking-normal"
          />
        </span>
      }
      lead={
        <span className="flex flex-wrap items-center gap-x-2 text-sm">
          {version.label === `v${version.number}` ? null : <Tag>{version.label}</Tag>}
          <span className="text-ink-3">
            {version.source.template
              ? `from the template ${version.source.template}`
              : (version.source.commit?.repository ?? version.source.filename)}
            , <Ago at={version.created_at} />
          </span>
        </span>
      }
      crumbs={crumbs}
      actions={<VersionActions version={version} />}
    >
      {children}
      <PipelinePlate
        run={run}
        agentId={version.agent_id}
        withReport={false}
        aside={
          <Plate>
            <Facts items={factsOf(version)} />
          </Plate>
        }
      />
      <div className="mt-5 grid gap-5 lg:grid-cols-2">
        {run.report ? (
          <>
            <Findings report={run.report} />
            <Tests report={run.report} declared={testsOf(version)} />
          </>
        ) : null}
        {version.manifest ? (
          <Plate title="Manifest" className="lg:col-span-2">
            <CodeBlock text={toYaml(version.manifest)} label="Copy the manifest" />
          </Plate>
        ) : null}
      </div>
    </Page>
  );
}

function VersionActions({ version }: { version: Version }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [key] = useState(newIdempotencyKey);
  const { agent_id: agentId, id } = version;
  const path = { agent_id: agentId, version_id: id };
  const take = (made: Version) => client.setQueryData(versionKeys.one(agentId, id), made);
  const cancel = useMutation({
    mutationFn: () => cancelVersion(agentId, id),
    onSuccess: take,
    onError: (error) => toast.failed(error),
  });
  const build = useMutation({
    mutationFn: () =>
      api.post("/agents/{agent_id}/versions/{version_id}/build", { path, body: {} }),
    onSuccess: take,
    onError: (error) => toast.failed(error),
  });
  const start = useMutation({
    mutationFn: () => deploy(agentId, id, version.environment, key),
    onSuccess: (made) => {
      client.setQueryData(deploymentKeys.one(made.id), made);
      navigate(`/agents/${agentId}/deployments/${made.id}`);
    },
    onError: (error) => toast.failed(error),
  });
  const held = version.state === "uploaded" && version.hold && version.plan !== null;
  return (
    <>
      {held ? (
        <Button variant="primary" busy={build.isPending} onClick={() => build.mutate()}>
          Build it as it is
        </Button>
      ) : null}
      {versionMoves(version) ? (
        <Button icon={Ban} busy={cancel.isPending} onClick={() => cancel.mutate()}>
          Cancel
        </Button>
      ) : null}
      {version.deployment_id ? (
        <ButtonLink to={`/agents/${agentId}/deployments/${version.deployment_id}`}>
          Its deployment
        </ButtonLink>
      ) : null}
      {version.state === "ready" ? (
        <Button icon={Ship} variant="primary" busy={start.isPending} onClick={() => start.mutate()}>
          Deploy
        </Button>
      ) : null}
      {["failed", "rejected", "cancelled"].includes(version.state) ? (
        <ButtonLink to={`/agents/${agentId}/deploy`} variant="primary">
          Upload again
        </ButtonLink>
      ) : null}
    </>
  );
}

function factsOf(version: Version): [string, React.ReactNode][] {
  const { timings, plan } = version;
  const facts: [string, React.ReactNode][] = [["Number", version.number]];
  const { commit } = version.source;
  if (commit) {
    facts.push(["Commit", <CommitFact key="c" commit={commit} />]);
    facts.push(["Branch", commit.branch], ["Author", commit.author]);
  }
  if (version.label !== `v${version.number}`) facts.push(["Label", version.label]);
  if (plan?.runtime) facts.push(["Runtime", runtimeName(String(plan.runtime))]);
  const end = timings.ready ?? timings.failed ?? timings.rejected;
  if (timings.building && end) {
    facts.push(["Build took", <Duration key="b" from={timings.building} to={end} />]);
  }
  if (version.source.size) facts.push(["Source", bytes(version.source.size)]);
  if (version.image_size) facts.push(["Image", bytes(version.image_size)]);
  if (version.deployment_id) {
    facts.push([
      "Deployment",
      <Link
        key="d"
        to={`/agents/${version.agent_id}/deployments/${version.deployment_id}`}
        className="text-sea underline-offset-2 hover:underline"
      >
        the first of it
      </Link>,
    ]);
  }
  facts.push(["Id", <Id key="i" id={version.id} />]);
  return facts;
}

function testsOf({ manifest }: Version): number {
  return Array.isArray(manifest?.tests) ? manifest.tests.length : 0;
}
