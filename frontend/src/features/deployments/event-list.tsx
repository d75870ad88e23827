/** What happened to a deployment, in the order it happened. */
import type { DeploymentEvent } from "@/api/types";
import { SkeletonRows } from "@/components/skeleton";
import { Ago } from "@/components/time";

const WORDS: Record<string, string> = {
  requested: "Asked for",
  release_started: "Release began",
  released: "Handed to the host; now being verified",
  verified: "Verified: it answers, and it is the image we asked for",
  superseded: "Replaced by a newer deployment",
  stopped: "Stopped",
  crashed: "Crashed",
  fell_asleep: "Fell asleep",
  recovered: "Runs again",
  failed: "Failed",
  cancelled: "Cancelled",
  rolled_back: "Rolled back to what served before",
  restarted: "Restarted",
};

export function EventList({ events }: { events: DeploymentEvent[] | undefined }) {
  if (events === undefined) return <SkeletonRows rows={3} height="h-9" />;
  if (events.length === 0) {
    return <p className="px-4 py-5 text-sm text-ink-2">Nothing has happened here yet.</p>;
  }
  return (
    <ol className="divide-y divide-line">
      {events.map((event) => (
        <li
          key={event.sequence}
          className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 px-4 py-2 text-sm"
        >
          <span className="min-w-0 flex-1 basis-52 break-words">
            {WORDS[event.event] ?? event.event.replace(/_/g, " ")}
            {event.detail ? <span className="block text-ink-2">{event.detail}</span> : null}
          </span>
          <Ago at={event.at} className="figures shrink-0 text-xs text-ink-3" />
        </li>
      ))}
    </ol>
  );
}
