/** Build and runtime logs of an agent, in one viewer. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { deploymentQuery, deploymentsQuery } from "@/api/deployments";
import { type LogSource, useLog } from "@/api/logs";
import { deploymentStanding, versionStanding } from "@/api/states";
import type { Deployment, Version } from "@/api/types";
import { versionsQuery } from "@/api/versions";
import { ButtonLink } from "@/components/button";
import { Empty } from "@/components/empty";
import { SelectField } from "@/components/field";
import { LogViewer } from "@/components/log-viewer";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { useSearch } from "@/components/use-search";
import { useAgent } from "./agent";

const OVER = new Set<Deployment["state"]>([
  "superseded",
  "stopped",
  "failed",
  "cancelled",
  "rolled_back",
]);

export function Logs() {
  const agent = useAgent();
  const [search, setSearch] = useSearch();
  const deployments = useInfiniteQuery({ ...deploymentsQuery(agent.id), refetchInterval: 10_000 });
  const versions = useInfiniteQuery({ ...versionsQuery(agent.id), refetchInterval: 10_000 });
  const ran = deployments.data?.pages.flatMap((page) => page.items) ?? [];
  const built = versions.data?.pages.flatMap((page) => page.items) ?? [];
  const serving = agent.environments?.find(({ serving: one }) => one)?.serving;
  const chosen = {
    deployment: search.get("deployment"),
    version: search.get("version"),
  };
  const first = serving ?? ran[0]?.id;
  const deploymentId = chosen.version ? undefined : (chosen.deployment ?? first ?? undefined);
  const versionId = deploymentId ? undefined : (chosen.version ?? built[0]?.id);
  const whole = search.get("from") === "start";
  const version = built.find(({ id }) => id === versionId);
  const named = useQuery({
    ...deploymentQuery(deploymentId ?? ""),
    enabled: deploymentId !== undefined,
  });
  const deployment = ran.find(({ id }) => id === deploymentId) ?? named.data;
  // A log read from the beginning begins where its deployment did: that must be known first.
  const waits = whole && deploymentId !== undefined && !deployment && !named.error;
  const start = whole ? deployment?.created_at : undefined;
  const source: LogSource | undefined = waits
    ? undefined
    : deploymentId
      ? { of: "output", deploymentId, start }
      : versionId
        ? { of: "build", agentId: agent.id, versionId }
        : undefined;
  const live = deploymentId
    ? !deployment || !OVER.has(deployment.state)
    : version?.state === "building";
  const log = useLog(source, live);
  const choose = (value: string) =>
    setSearch(
      (before) => {
        const [kind, id] = value.split(" ");
        for (const name of ["deployment", "version", "line", "from"]) before.delete(name);
        if (kind && id) before.set(kind, id);
        return before;
      },
      { preventScrollReset: true },
    );
  if (!source && !waits) {
    const failed = deployments.error ?? versions.error;
    if (failed) {
      return (
        <Problem
          error={failed}
          retry={() => {
            void deployments.refetch();
            void versions.refetch();
          }}
        />
      );
    }
    if (deployments.isSuccess && versions.isSuccess) {
      return (
        <Plate flush>
          <Empty
            title="No logs yet"
            action={
              <ButtonLink to={`/agents/${agent.id}/deploy`} variant="primary">
                Deploy a version
              </ButtonLink>
            }
          >
            What the build and the agent write is shown here from the first moment on.
          </Empty>
        </Plate>
      );
    }
  }
  const value = deploymentId ? `deployment ${deploymentId}` : `version ${versionId}`;
  return (
    <LogViewer
      key={`${value} ${whole}`}
      label={deploymentId ? "Output of the agent" : "Build log"}
      log={source ? log : { ...log, loading: true }}
      live={live && source !== undefined}
      filename={`${agent.slug}-${deploymentId ?? versionId}`}
      className="h-[calc(100dvh-15rem)] min-h-96"
      earlier={
        deploymentId && !whole
          ? () =>
              setSearch(
                (before) => {
                  before.set("deployment", deploymentId);
                  before.set("from", "start");
                  return before;
                },
                { preventScrollReset: true },
              )
          : undefined
      }
      empty={
        deploymentId
          ? "The agent has written nothing. What it prints to standard output and standard error is shown here."
          : "The build has written nothing yet."
      }
      tools={
        <div className="w-full sm:w-64">
          <SelectField
            label="Which log"
            hideLabel
            className="h-8!"
            value={value}
            onChange={(event) => choose(event.target.value)}
          >
            <Unknown
              value={value}
              known={[...ran, ...built]}
              read={deployments.isSuccess && versions.isSuccess}
            />
            {ran.length > 0 ? (
              <optgroup label="Output of deployments">
                {ran.map((one) => (
                  <option key={one.id} value={`deployment ${one.id}`}>
                    Output of version {one.version_number},{" "}
                    {deploymentStanding(one.state).label.toLowerCase()}
                    {one.environment === "production" ? "" : `, ${one.environment}`}
                  </option>
                ))}
              </optgroup>
            ) : null}
            {built.length > 0 ? (
              <optgroup label="Builds of versions">
                {built.map((one) => (
                  <option key={one.id} value={`version ${one.id}`}>
                    Build of version {one.number}, {versionStanding(one.state).label.toLowerCase()}
                  </option>
                ))}
              </optgroup>
            ) : null}
          </SelectField>
        </div>
      }
    />
  );
}

/** A link may name a log that is further back than what was read of the lists. */
function Unknown({
  value,
  known,
  read,
}: {
  value: string;
  known: (Deployment | Version)[];
  /** Whether the lists are there at all. */
  read: boolean;
}) {
  const [kind, id] = value.split(" ");
  if (known.some((one) => one.id === id)) return null;
  return (
    <option value={value}>
      {id === "undefined" || !read
        ? "…"
        : kind === "version"
          ? "An earlier build"
          : "An earlier deployment"}
    </option>
  );
}
