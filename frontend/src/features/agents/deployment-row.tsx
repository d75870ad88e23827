/** One deployment in a list: what, where, how it stands, why, and how long it took. */
import { clsx } from "clsx";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { deploymentMoves } from "@/api/deployments";
import { deploymentStanding } from "@/api/states";
import type { Deployment } from "@/api/types";
import { CommitLine } from "@/components/commit";
import { Status, Tag } from "@/components/status";
import { Ago, Duration } from "@/components/time";

const TRIGGER: Record<Deployment["trigger"], string> = {
  request: "deployed by request",
  build: "deployed after its build",
  rollback: "brought back by a rollback",
  restore: "brought back after a failure",
};

export function DeploymentRow({
  deployment,
  agentName,
  actions,
  serving = false,
  told = false,
}: {
  deployment: Deployment;
  /** Where deployments of several agents stand together. */
  agentName?: string | undefined;
  actions?: ReactNode;
  serving?: boolean;
  /** Why it failed stands beside the list already. */
  told?: boolean;
}) {
  const { timings } = deployment;
  const end = timings.live ?? timings.failed ?? timings.cancelled ?? timings.rolled_back;
  const [reason] = deployment.reasons;
  return (
    <li
      className={clsx(
        "relative flex flex-wrap items-center gap-x-4 gap-y-0.5 px-4 py-2.5 hover:bg-sunk/40 sm:flex-nowrap",
        serving && "bg-starboard-wash/50",
      )}
    >
      <Status {...deploymentStanding(deployment.state)} className="shrink-0 sm:w-28" />
      <div className="order-1 min-w-0 flex-1 basis-2/3 sm:order-none sm:basis-0">
        <p className="flex flex-wrap items-baseline gap-x-2 text-sm">
          <Link
            to={`/agents/${deployment.agent_id}/deployments/${deployment.id}`}
            className="font-[600] underline-offset-2 after:absolute after:inset-0 hover:underline"
          >
            {agentName === undefined ? null : <bdi>{agentName}, </bdi>}
            {agentName === undefined ? "Version" : "version"} {deployment.version_number}
          </Link>
          <span className="text-ink-3">{TRIGGER[deployment.trigger]}</span>
          {deployment.environment === "production" ? null : <Tag>{deployment.environment}</Tag>}
        </p>
        {deployment.commit ? (
          <p className="mt-0.5 text-xs leading-5 text-ink-2">
            <CommitLine commit={deployment.commit} />
          </p>
        ) : null}
        {reason && !told && !["superseded", "stopped"].includes(deployment.state) ? (
          <p className="mt-0.5 line-clamp-1 text-sm text-ink-2">{reason.detail}</p>
        ) : null}
      </div>
      {actions ? (
        <div className="relative z-10 order-2 shrink-0 sm:order-none">{actions}</div>
      ) : null}
      <div className="figures ml-auto flex shrink-0 gap-x-2 text-right text-xs leading-5 text-ink-3 sm:block">
        <Ago at={deployment.created_at} />
        <p>
          {timings.queued && (end || deploymentMoves(deployment)) ? (
            <>
              took <Duration from={timings.queued} to={end} />
            </>
          ) : (
            "\u00a0"
          )}
        </p>
      </div>
    </li>
  );
}
