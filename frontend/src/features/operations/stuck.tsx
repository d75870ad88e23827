/** What should have moved by now, and what it waits for. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { useOrganisation } from "@/api/organisation";
import { organisationsQuery } from "@/api/organisations";
import { deploymentStanding } from "@/api/states";
import type { DeploymentState, StuckWork } from "@/api/types";
import { CopyButton } from "@/components/copy";
import { Empty } from "@/components/empty";
import { Plate } from "@/components/page";
import { Status, Tag } from "@/components/status";
import { Ago } from "@/components/time";

export function Stuck({ items }: { items: StuckWork[] }) {
  return (
    <Plate flush title="Stuck work" note={items.length ? String(items.length) : undefined}>
      {items.length === 0 ? (
        <Empty quiet title="Nothing is stuck">
          What has not moved for five minutes is listed here, with what it waits for.
        </Empty>
      ) : (
        <ul className="divide-y divide-line">
          {items.map((one) => (
            <Row key={`${one.deployment_id} ${one.state}`} work={one} />
          ))}
        </ul>
      )}
    </Plate>
  );
}

function Row({ work }: { work: StuckWork }) {
  const standing =
    work.state === "ended"
      ? ({ tone: "warning", label: "Ended here only" } as const)
      : deploymentStanding(work.state as DeploymentState);
  return (
    <li className="space-y-1 px-4 py-3 text-sm">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Status {...standing} />
        <Tag>{work.environment}</Tag>
        <span className="ml-auto text-ink-3">
          since <Ago at={work.since} />
        </span>
      </div>
      <p className="break-words">{work.detail}</p>
      <Where work={work} />
    </li>
  );
}

/** A link where the operator is a member; elsewhere only the ids, which the logs know. */
function Where({ work }: { work: StuckWork }) {
  const mine = useQuery(organisationsQuery).data?.items.find(({ id }) => id === work.org_id);
  const choose = useOrganisation((chosen) => chosen.choose);
  if (mine) {
    return (
      <p className="text-ink-3">
        <Link
          to={`/agents/${work.agent_id}/deployments/${work.deployment_id}`}
          onClick={() => choose(mine.personal ? null : mine.id)}
          className="break-all text-sea hover:underline"
        >
          {work.deployment_id}
        </Link>{" "}
        of {mine.name}
      </p>
    );
  }
  return (
    <p className="flex flex-wrap items-center gap-x-2 text-xs text-ink-3">
      <code className="break-all">{work.deployment_id}</code>
      <CopyButton text={work.deployment_id} label="Copy the deployment's id" />
      <span>
        agent <code className="break-all">{work.agent_id}</code>, organisation{" "}
        <code className="break-all">{work.org_id}</code>
      </span>
    </p>
  );
}
