/** Knows how an agent in a list stands: by what runs of it, or else by what came of it last. */
import { deploymentStanding, type Standing, versionStanding } from "@/api/states";
import type { DeploymentState, ListedAgent, VersionState } from "@/api/types";

export type Latest = NonNullable<ListedAgent["latest"]>;

export interface AgentStanding extends Standing {
  /** Where to read why, when nothing runs. */
  to?: string;
}

const IDLE: AgentStanding = { tone: "ended", label: "Not deployed" };
// One word says enough of something that has a page of its own, but not of an agent.
const BUILT: Partial<Record<VersionState, string>> = {
  failed: "Build failed",
  rejected: "Source rejected",
  cancelled: "Build cancelled",
};
const DEPLOYED: Partial<Record<DeploymentState, string>> = {
  failed: "Deployment failed",
  cancelled: "Deployment cancelled",
};

export function standingOf({ id, production, latest }: ListedAgent): AgentStanding {
  if (production) return deploymentStanding(production.state);
  return latest ? standingOfLatest(id, latest) : IDLE;
}

function standingOfLatest(agentId: string, latest: Latest): AgentStanding {
  if (latest.deployment_id && latest.deployment_state) {
    const { tone, label } = deploymentStanding(latest.deployment_state);
    return {
      tone,
      label: DEPLOYED[latest.deployment_state] ?? label,
      to: `/agents/${agentId}/deployments/${latest.deployment_id}`,
    };
  }
  if (latest.version_state === "ready") return IDLE;
  const { tone, label } = versionStanding(latest.version_state);
  return {
    tone,
    label: BUILT[latest.version_state] ?? label,
    to: `/agents/${agentId}/versions/${latest.version_id}`,
  };
}
