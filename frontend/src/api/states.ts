/** Knows what each state is called and how it stands, in the words people read. */
import type { DeploymentState, VersionState } from "./types";

/** As the lights of `components/status.tsx` show it. */
export interface Standing {
  tone: "live" | "moving" | "failed" | "resting" | "ended" | "warning";
  label: string;
}

const DEPLOYMENT: Record<DeploymentState, Standing> = {
  queued: { tone: "moving", label: "Queued" },
  releasing: { tone: "moving", label: "Releasing" },
  verifying: { tone: "moving", label: "Verifying" },
  live: { tone: "live", label: "Live" },
  asleep: { tone: "resting", label: "Asleep" },
  superseded: { tone: "ended", label: "Superseded" },
  stopped: { tone: "ended", label: "Stopped" },
  cancelled: { tone: "ended", label: "Cancelled" },
  rolled_back: { tone: "warning", label: "Rolled back" },
  crashed: { tone: "failed", label: "Crashed" },
  failed: { tone: "failed", label: "Failed" },
};

const VERSION: Record<VersionState, Standing> = {
  awaiting_upload: { tone: "moving", label: "Awaiting upload" },
  uploaded: { tone: "moving", label: "Reading source" },
  building: { tone: "moving", label: "Building" },
  ready: { tone: "live", label: "Ready" },
  rejected: { tone: "failed", label: "Rejected" },
  failed: { tone: "failed", label: "Failed" },
  cancelled: { tone: "ended", label: "Cancelled" },
};

export function deploymentStanding(state: DeploymentState): Standing {
  return DEPLOYMENT[state] ?? { tone: "ended", label: state };
}

export function versionStanding(state: VersionState): Standing {
  return VERSION[state] ?? { tone: "ended", label: state };
}
