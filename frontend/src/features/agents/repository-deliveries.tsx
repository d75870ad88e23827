/** What the code host has told of the repository, and what came of it. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { RotateCw } from "lucide-react";
import { Link } from "react-router";
import { useMay } from "@/api/permissions";
import { deliveriesQuery, redeliver, repositoryKeys } from "@/api/repositories";
import type { Delivery } from "@/api/types";
import { Button } from "@/components/button";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { SkeletonRows } from "@/components/skeleton";
import { Status, Tag, type Tone } from "@/components/status";
import { Ago, bytes, Until } from "@/components/time";
import { toast } from "@/components/toast";

const STATES: Record<Delivery["state"], { tone: Tone; label: string }> = {
  received: { tone: "moving", label: "Received" },
  waiting: { tone: "moving", label: "Waiting" },
  queued: { tone: "moving", label: "Queued" },
  held: { tone: "warning", label: "To be approved" },
  started: { tone: "live", label: "Built" },
  done: { tone: "live", label: "Done" },
  ignored: { tone: "ended", label: "Ignored" },
  superseded: { tone: "ended", label: "Superseded" },
  failed: { tone: "failed", label: "Failed" },
  refused: { tone: "failed", label: "Refused" },
};
const MOVING = new Set<Delivery["state"]>(["received", "waiting", "queued"]);

export function Deliveries({ agentId }: { agentId: string }) {
  const query = useInfiniteQuery({
    ...deliveriesQuery(agentId),
    // Whoever has just connected a repository waits for its first push.
    refetchInterval: ({ state }) =>
      state.data?.pages.some(
        ({ items }) => items.length === 0 || items.some((one) => MOVING.has(one.state)),
      )
        ? 1500
        : 15_000,
  });
  return (
    <Plate title="Deliveries" note="of the last 30 days" flush>
      <PagedList
        query={query}
        loading={<SkeletonRows rows={4} height="h-16" />}
        more="Earlier deliveries"
        empty={
          <p className="px-4 py-8 text-center text-sm text-ink-2">
            GitHub has sent nothing yet. Push a commit, and it is listed here within seconds.
          </p>
        }
      >
        {(one) => <Row key={one.id} agentId={agentId} delivery={one} />}
      </PagedList>
    </Plate>
  );
}

function Row({ agentId, delivery }: { agentId: string; delivery: Delivery }) {
  const client = useQueryClient();
  const may = useMay();
  const again = useMutation({
    mutationFn: () => redeliver(agentId, delivery.id),
    onSuccess: () => client.invalidateQueries({ queryKey: repositoryKeys.deliveries(agentId) }),
    onError: (error) => toast.failed(error),
  });
  const branch = delivery.ref.replace(/^refs\/(heads|tags)\//, "");
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-1.5 px-4 py-3 text-sm">
      <Status {...STATES[delivery.state]} className="w-32 shrink-0" />
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span className="font-[600]">
            {delivery.event}
            {delivery.action ? ` ${delivery.action}` : ""}
          </span>
          {delivery.pull_request ? <span>#{delivery.pull_request}</span> : null}
          {branch ? <span className="min-w-0 truncate text-ink-2">{branch}</span> : null}
          {delivery.sha ? <code className="text-ink-3">{delivery.sha.slice(0, 7)}</code> : null}
          {delivery.environment && delivery.environment !== "production" ? (
            <Tag>{delivery.environment}</Tag>
          ) : null}
        </p>
        {delivery.detail ? (
          <p className="mt-0.5 break-words text-ink-2">{delivery.detail}</p>
        ) : null}
        <p className="figures mt-0.5 flex flex-wrap gap-x-3 text-xs leading-5 text-ink-3">
          <Ago at={delivery.received_at} />
          <span>{bytes(delivery.size)}</span>
          {delivery.attempts > 1 ? <span>tried {delivery.attempts} times</span> : null}
          {delivery.state === "waiting" && delivery.next_at ? (
            <span>
              again <Until at={delivery.next_at} />
            </span>
          ) : null}
          {delivery.code ? <code>{delivery.code}</code> : null}
          {delivery.version_id ? (
            <Link
              to={`/agents/${agentId}/versions/${delivery.version_id}`}
              className="text-sea underline-offset-2 hover:underline"
            >
              its version
            </Link>
          ) : null}
        </p>
      </div>
      {may("repository:connect") && delivery.state !== "refused" ? (
        <Button
          size="sm"
          variant="quiet"
          icon={RotateCw}
          className="-ml-2.5 sm:ml-0"
          busy={again.isPending}
          onClick={() => again.mutate()}
          aria-label={`Process again: ${delivery.event} ${delivery.sha.slice(0, 7)}`}
        >
          Process again
        </Button>
      ) : null}
    </li>
  );
}
