/** While a source arrives and is read; and what to do when it never came. */
import { useEffect } from "react";
import { api } from "@/api/client";
import type { Version } from "@/api/types";
import { ButtonLink, Spinner } from "@/components/button";
import { Empty } from "@/components/empty";
import { useNow } from "@/components/time";
import { useShipment } from "./shipment";

const PATIENCE = 2500;
const LOST = 90_000;

export function Landing({ version }: { version: Version }) {
  const { step, versionId } = useShipment();
  const now = useNow();
  const mine = versionId === version.id;
  const waiting = version.state === "awaiting_upload";
  useNudge(version, waiting && (!mine || step.at === "sent"));
  if (
    waiting &&
    !mine &&
    version.source.kind === "upload" &&
    now - Date.parse(version.created_at) > LOST
  ) {
    return (
      <div className="plate">
        <Empty
          title="The upload never arrived"
          action={
            <ButtonLink to={`/agents/${version.agent_id}/deploy`} variant="primary">
              Drop the source again
            </ButtonLink>
          }
        >
          It was begun in another window or stopped on its way. Nothing was built.
        </Empty>
      </div>
    );
  }
  return (
    <div className="plate flex min-h-64 flex-col items-center justify-center gap-3 p-8 text-center">
      <Spinner className="text-sea" />
      <p role="status" className="text-lg font-[600]">
        {waiting ? "Taking it in" : "Reading your source"}
      </p>
      <p className="text-sm text-ink-2">
        {waiting ? "The archive has been sent." : "What it is, what it needs, and how it starts."}
      </p>
    </div>
  );
}

/** Object stores that send no events have to be spoken for. */
function useNudge({ agent_id, id }: Version, needed: boolean): void {
  useEffect(() => {
    if (!needed) return;
    const timer = setTimeout(() => {
      api
        .post("/agents/{agent_id}/versions/{version_id}/uploaded", {
          path: { agent_id, version_id: id },
        })
        .catch(() => undefined);
    }, PATIENCE);
    return () => clearTimeout(timer);
  }, [needed, agent_id, id]);
}
