/** What runs of an agent, how it has been, and what happened last. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { ArrowRight } from "lucide-react";
import { Link } from "react-router";
import { categoryName } from "@/api/categories";
import { deploymentsQuery } from "@/api/deployments";
import { metricsQuery } from "@/api/metrics";
import { deploymentStanding, versionStanding } from "@/api/states";
import type { AgentDetail, Deployment } from "@/api/types";
import { versionQuery, versionsQuery } from "@/api/versions";
import { ButtonLink } from "@/components/button";
import { Spark } from "@/components/chart";
import { CopyButton } from "@/components/copy";
import { Empty } from "@/components/empty";
import { Facts, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { runtimeName } from "@/components/runtime";
import { Skeleton, SkeletonRows } from "@/components/skeleton";
import { Light, Status } from "@/components/status";
import { Ago } from "@/components/time";
import { type Place, useAgent, usePlaces } from "./agent";
import { DeploymentRow } from "./deployment-row";
import { Failure } from "./failure";
import { readMetrics } from "./measures";
import { UpdateNotice } from "./update-notice";

export function Overview() {
  const agent = useAgent();
  const places = usePlaces(agent);
  return (
    <>
      <UpdateNotice agent={agent} />
      {places.length === 0 ? (
        <Beginning agent={agent} />
      ) : (
        <div className="grid gap-5 lg:grid-cols-[minmax(0,1fr)_19rem]">
          <div className="min-w-0 space-y-5">
            {places.map((place) => (
              <PlacePlate key={place.name} place={place} agent={agent} />
            ))}
            <Recent agent={agent} places={places} />
          </div>
          <aside className="min-w-0 space-y-5">
            <About agent={agent} place={places[0]} />
          </aside>
        </div>
      )}
    </>
  );
}

/** An agent nothing was deployed of yet: perhaps a version is on its way. */
function Beginning({ agent }: { agent: AgentDetail }) {
  const query = useInfiniteQuery({ ...versionsQuery(agent.id), refetchInterval: 4000 });
  const newest = query.data?.pages[0]?.items[0];
  return (
    <Plate flush>
      <QueryView query={query}>
        {() =>
          newest && versionStanding(newest.state).tone === "failed" ? (
            <Failure
              title={
                newest.state === "rejected"
                  ? `The source of version ${newest.number} was rejected`
                  : `The build of version ${newest.number} failed`
              }
              reasons={newest.reasons}
            >
              <ButtonLink
                to={`/agents/${agent.id}/versions/${newest.id}`}
                variant="primary"
                size="sm"
              >
                See what happened
              </ButtonLink>
              <ButtonLink to={`/agents/${agent.id}/deploy`} size="sm">
                Bring another version
              </ButtonLink>
            </Failure>
          ) : newest ? (
            <Empty
              title={`Version ${newest.number} is not deployed`}
              action={
                <>
                  <ButtonLink to={`/agents/${agent.id}/versions/${newest.id}`} variant="primary">
                    Look at version {newest.number}
                  </ButtonLink>
                  <ButtonLink to={`/agents/${agent.id}/deploy`}>Bring another</ButtonLink>
                </>
              }
            >
              {newest.reasons[0]?.detail ?? "As soon as a version is live, it is shown here."}
            </Empty>
          ) : (
            <Empty
              title="Nothing deployed yet"
              action={
                <ButtonLink to={`/agents/${agent.id}/deploy`} variant="primary">
                  Deploy the first version
                </ButtonLink>
              }
            >
              Drop a folder, or choose a template: it is live within a minute.
            </Empty>
          )
        }
      </QueryView>
    </Plate>
  );
}

/** The deployment that failed last where nothing serves now, once the newest have been read. */
function useFailed(agent: AgentDetail, place: Place) {
  const query = useInfiniteQuery({ ...deploymentsQuery(agent.id), enabled: !place.serving });
  return { looking: query.isLoading, failed: failedIn(place, query.data?.pages[0]?.items ?? []) };
}

function failedIn(place: Place, newestFirst: Deployment[]): Deployment | undefined {
  if (place.serving || place.moving) return undefined;
  const last = newestFirst.find(({ environment }) => environment === place.name);
  return last && (last.state === "failed" || last.state === "rolled_back") ? last : undefined;
}

function PlacePlate({ place, agent }: { place: Place; agent: AgentDetail }) {
  const { now, next, queued } = place;
  const { looking, failed } = useFailed(agent, place);
  const base = `/agents/${agent.id}/deployments`;
  return (
    <Plate
      title={place.name === "production" ? "Production" : place.name}
      flush
      actions={
        now ? (
          <Link
            to={`${base}/${now.id}`}
            className="inline-flex items-center gap-1 text-sm text-sea underline-offset-2 hover:underline"
          >
            Version {now.version_number}
            <ArrowRight size={14} aria-hidden="true" />
          </Link>
        ) : null
      }
    >
      {next ? (
        <Link
          to={`${base}/${next.id}`}
          className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-lantern-wash px-4 py-2.5 text-sm hover:underline"
        >
          <Status {...deploymentStanding(next.state)} />
          <span>Version {next.version_number} is on its way</span>
          {queued ? <span className="text-ink-2">another waits behind it</span> : null}
          <ArrowRight size={15} aria-hidden="true" className="ml-auto" />
        </Link>
      ) : null}
      {place.error ? (
        <Problem compact error={place.error} retry={place.retry} className="m-4" />
      ) : null}
      {now ? (
        <Serving deployment={now} agent={agent} />
      ) : place.reading ? (
        <>
          <div className="flex flex-wrap items-center gap-x-6 gap-y-3 px-4 py-4 sm:px-5">
            <div className="flex h-[3.25rem] min-w-0 flex-1 basis-64 flex-col justify-center gap-2.5">
              <Skeleton className="h-5 w-64 max-w-full" />
              <Skeleton className="h-3.5 w-48" />
            </div>
            <Skeleton className="h-8 w-14" />
          </div>
          <div className="border-t border-line">
            <HourOutline />
          </div>
        </>
      ) : place.error ? null : looking ? (
        <div className="px-4 py-6 sm:px-5">
          <Skeleton className="h-5 w-64 max-w-full" />
        </div>
      ) : failed ? (
        <Failure
          title={`Nothing serves here: the deployment of version ${failed.version_number} ${
            failed.state === "failed" ? "failed" : "was rolled back"
          }`}
          reasons={failed.reasons}
        >
          <ButtonLink to={`${base}/${failed.id}`} variant="primary" size="sm">
            See what happened
          </ButtonLink>
          <ButtonLink to={base} size="sm">
            All deployments
          </ButtonLink>
        </Failure>
      ) : (
        <p className="flex flex-wrap items-center gap-3 px-4 py-6 text-sm text-ink-2">
          <Light tone="ended" />
          Nothing serves here now.
          <Link to={base} className="text-sea underline-offset-2 hover:underline">
            Deploy or roll back to an earlier version
          </Link>
        </p>
      )}
    </Plate>
  );
}

function Serving({ deployment, agent }: { deployment: Deployment; agent: AgentDetail }) {
  const { url, confirmed_at: confirmed, reasons } = deployment;
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-6 gap-y-3 px-4 py-4 sm:px-5">
        <div className="min-w-0 flex-1 basis-64">
          {url ? (
            <p className="flex min-w-0 items-center gap-1">
              <a
                href={url}
                target="_blank"
                rel="noopener"
                className="min-w-0 truncate text-lg font-[600] text-ink underline-offset-4 hover:underline"
              >
                {url.replace(/^https?:\/\//, "")}
              </a>
              <CopyButton text={url} label="Copy the address" />
            </p>
          ) : null}
          <p className="mt-0.5 flex flex-wrap items-center gap-x-2 text-sm text-ink-3">
            <Status {...deploymentStanding(deployment.state)} />
            {confirmed ? (
              <span>
                confirmed <Ago at={confirmed} />
              </span>
            ) : null}
            {deployment.restarts > 0 ? (
              <span>
                restarted {deployment.restarts} {deployment.restarts === 1 ? "time" : "times"}
              </span>
            ) : null}
          </p>
        </div>
        <ButtonLink to={`/agents/${agent.id}/logs?deployment=${deployment.id}`} size="sm">
          Logs
        </ButtonLink>
      </div>
      {deployment.state === "crashed" && reasons.length > 0 ? (
        <Failure title={`Version ${deployment.version_number} has crashed`} reasons={reasons}>
          <ButtonLink
            to={`/agents/${agent.id}/deployments/${deployment.id}`}
            variant="primary"
            size="sm"
          >
            See what happened
          </ButtonLink>
        </Failure>
      ) : null}
      <LastHour deployment={deployment} agent={agent} />
    </>
  );
}

/** As tall as what comes, wide or narrow. */
function HourOutline() {
  return (
    <div className="grid grid-cols-1 gap-px overflow-hidden rounded-b-lg bg-line xs:grid-cols-3">
      {["a", "b", "c"].map((one) => (
        <div key={one} className="h-[6.73rem] bg-plate px-4 pt-3 sm:px-5">
          <Skeleton className="h-3 w-16" />
          <Skeleton className="mt-2 h-5 w-20" />
        </div>
      ))}
    </div>
  );
}

function LastHour({ deployment, agent }: { deployment: Deployment; agent: AgentDetail }) {
  const query = useQuery({ ...metricsQuery(deployment.id, "1h"), refetchInterval: 60_000 });
  return (
    <div className="border-t border-line">
      <QueryView query={query} loading={<HourOutline />}>
        {({ series }) => {
          const { cpu, memory, requests } = readMetrics(series);
          const total = requests.reduce(
            (sum, one) => sum + one.points.reduce((all, { v }) => all + v, 0),
            0,
          );
          const perMinute = new Map<number, number>();
          for (const { points } of requests) {
            for (const { t, v } of points) perMinute.set(t, (perMinute.get(t) ?? 0) + v);
          }
          const small = [
            { ...cpu, now: cpu.points.at(-1)?.v },
            { ...memory, now: memory.points.at(-1)?.v },
          ];
          return (
            <Link
              to={`/agents/${agent.id}/metrics`}
              className="relative grid grid-cols-1 gap-px overflow-hidden rounded-b-lg bg-line -outline-offset-2 xs:grid-cols-3"
            >
              <span className="sr-only">Metrics of the last hour:</span>
              {small.map((one) => (
                <Measure
                  key={one.label}
                  label={one.label}
                  value={one.now === undefined ? "–" : one.format(one.now)}
                  points={one.points}
                />
              ))}
              <Measure
                label="Requests, last hour"
                value={total.toLocaleString()}
                points={[...perMinute].map(([t, v]) => ({ t, v })).sort((a, b) => a.t - b.t)}
              />
            </Link>
          );
        }}
      </QueryView>
    </div>
  );
}

function Measure({
  label,
  value,
  points,
}: {
  label: string;
  value: string;
  points: { t: number; v: number }[];
}) {
  return (
    <div className="bg-plate px-4 pt-3 pb-3.5 hover:bg-sunk/40 sm:px-5">
      <p className="text-xs text-ink-3">{label}</p>
      <p className="figures text-lg font-[620]">{value}</p>
      <Spark points={points} label={`${label}: ${value}`} />
    </div>
  );
}

function Recent({ agent, places }: { agent: AgentDetail; places: Place[] }) {
  const query = useInfiniteQuery({ ...deploymentsQuery(agent.id), refetchInterval: 10_000 });
  const newest = query.data?.pages[0]?.items ?? [];
  // Above it stands why what serves has crashed, or why nothing serves.
  const told = new Set(places.map((place) => place.serving ?? failedIn(place, newest)?.id));
  return (
    <Plate
      title="Deployments"
      flush
      actions={
        <Link
          to={`/agents/${agent.id}/deployments`}
          className="text-sm text-sea underline-offset-2 hover:underline"
        >
          All
        </Link>
      }
    >
      <QueryView query={query} loading={<SkeletonRows rows={4} height="h-13" />}>
        {(data) => (
          <ul className="divide-y divide-line">
            {(data.pages[0]?.items ?? []).slice(0, 5).map((deployment) => (
              <DeploymentRow
                key={deployment.id}
                deployment={deployment}
                told={told.has(deployment.id)}
              />
            ))}
          </ul>
        )}
      </QueryView>
    </Plate>
  );
}

const VISIBILITY = {
  private: "Only you and whom you let in",
  organisation: "Your organisation",
  public: "Everybody, in the marketplace",
} as const;

function About({ agent, place }: { agent: AgentDetail; place: Place | undefined }) {
  const versionId = place?.now?.version_id;
  const version = useQuery({
    ...versionQuery(agent.id, versionId ?? ""),
    enabled: versionId !== undefined,
  });
  const plan = version.data?.plan;
  const resources = version.data?.manifest?.resources as
    | { cpu?: number; memory_mb?: number; replicas?: number; sleep?: boolean }
    | undefined;
  const facts: [string, React.ReactNode][] = [];
  if (agent.runtime ?? plan?.runtime)
    facts.push(["Runtime", runtimeName(String(agent.runtime ?? plan?.runtime))]);
  facts.push(["Category", categoryName(agent.category)]);
  facts.push(["Visible to", VISIBILITY[agent.visibility]]);
  if (plan) {
    facts.push([
      "Health",
      plan.health_path ? <code key="h">{String(plan.health_path)}</code> : "any answer on /",
    ]);
    facts.push(["Memory", `${resources?.memory_mb ?? 512} MB`]);
    facts.push(["Instances", resources?.replicas ?? 1]);
    facts.push(["Sleeps", resources?.sleep ? "when nobody calls it" : "never"]);
  }
  facts.push(["Created", <Ago key="m" at={agent.created_at} />]);
  return (
    <Plate title="About">
      <Facts items={facts} />
    </Plate>
  );
}
