/** The second and third step: confirm what was inferred, then watch it go live. */
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { agentQuery } from "@/api/agents";
import { deploymentMoves, deploymentQuery } from "@/api/deployments";
import { usePolled } from "@/api/polling";
import type { Version } from "@/api/types";
import { versionMoves, versionQuery } from "@/api/versions";
import { Page, Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { Loading, Skeleton } from "@/components/skeleton";
import { StationsOutline } from "@/components/stations";
import { Confirm } from "./confirm";
import { Landing } from "./landing";
import { Steps } from "./steps";
import { Watch } from "./watch";

/** Waits for a person: it was read, and nothing happens before they say so. */
function isHeld(version: Version): boolean {
  return version.state === "uploaded" && version.hold && version.plan !== null;
}

export function LaunchPage() {
  const { agentId = "", versionId = "" } = useParams();
  const agent = useQuery(agentQuery(agentId));
  const version = usePolled(versionQuery(agentId, versionId), {
    moving: (one) =>
      (versionMoves(one) && !isHeld(one)) ||
      (one.state === "ready" && one.deploy && one.deployment_id === null),
    settles: true,
  });
  const deploymentId = version.data?.deployment_id;
  const deployment = usePolled(
    { ...deploymentQuery(deploymentId ?? ""), enabled: Boolean(deploymentId) },
    { moving: deploymentMoves },
  );
  const held = version.data !== undefined && isHeld(version.data);
  const name = agent.data?.name ?? "";
  return (
    <Page
      title={`${held ? "Confirm" : "Launch"} ${name}`.trim()}
      crumbs={[
        { to: "/agents", label: "Agents" },
        { to: `/agents/${agentId}`, label: name || "Agent" },
      ]}
      actions={<Steps at={held || version.data?.state === "awaiting_upload" ? 2 : 3} />}
    >
      <QueryView query={version} loading={<Outline />}>
        {(one) => {
          if (held && agent.data) return <Confirm agent={agent.data} version={one} />;
          if (held || one.state === "awaiting_upload" || one.state === "uploaded") {
            return <Landing version={one} />;
          }
          return <Watch name={name} version={one} deployment={deployment.data} />;
        }}
      </QueryView>
    </Page>
  );
}

function Outline() {
  return (
    <Loading what="Reading how far it is">
      <div className="space-y-5">
        <Plate>
          <StationsOutline />
        </Plate>
        <Plate>
          <div className="space-y-3">
            <Skeleton className="h-5 w-64 max-w-full" />
            <Skeleton className="h-3.5 w-48" />
            <Skeleton className="h-3.5 w-36" />
          </div>
        </Plate>
      </div>
    </Loading>
  );
}
