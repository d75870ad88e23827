/** Pull requests and what runs of them. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Check } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { useMay } from "@/api/permissions";
import { approvePreview, previewsQuery, repositoryKeys } from "@/api/repositories";
import { deploymentStanding } from "@/api/states";
import type { DeploymentState, Preview } from "@/api/types";
import { Button } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { SkeletonRows } from "@/components/skeleton";
import { Status, type StatusProps, Tag } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

const STATES: Record<Preview["state"], StatusProps> = {
  waiting_for_approval: { tone: "warning", label: "To be approved" },
  active: { tone: "moving", label: "Open" },
  closing: { tone: "moving", label: "Closing" },
  closed: { tone: "ended", label: "Closed" },
  idle: { tone: "resting", label: "Idle" },
};

export function Previews({ agentId }: { agentId: string }) {
  const query = useInfiniteQuery({ ...previewsQuery(agentId), refetchInterval: 5000 });
  return (
    <Plate title="Previews" note="of pull requests" flush>
      <PagedList
        query={query}
        loading={<SkeletonRows rows={3} height="h-16" />}
        more="Earlier pull requests"
        empty={
          <p className="px-4 py-8 text-center text-sm text-ink-2">
            No pull request yet. Each gets an environment and an address of its own.
          </p>
        }
      >
        {(one) => <Row key={one.number} agentId={agentId} preview={one} />}
      </PagedList>
    </Plate>
  );
}

function standingOf({ state, deployment_state: runs }: Preview): StatusProps {
  if (state === "active" && runs) return deploymentStanding(runs as DeploymentState);
  return STATES[state];
}

function Row({ agentId, preview }: { agentId: string; preview: Preview }) {
  const client = useQueryClient();
  const may = useMay();
  const [asking, setAsking] = useState(false);
  const approve = useMutation({
    mutationFn: () => approvePreview(agentId, preview.number, preview.head_sha),
    onSuccess: () => {
      setAsking(false);
      toast.done(`${preview.head_sha.slice(0, 7)} is built`);
      return client.invalidateQueries({ queryKey: repositoryKeys.previews(agentId) });
    },
    onError: (error) => {
      setAsking(false);
      toast.failed(error);
    },
  });
  const waits = preview.state === "waiting_for_approval";
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-1.5 px-4 py-3 text-sm">
      <Status {...standingOf(preview)} className="w-32 shrink-0" />
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span className="font-[600]">#{preview.number}</span>
          <bdi className="min-w-0 break-words">{preview.title}</bdi>
          {preview.fork ? <Tag>fork</Tag> : null}
        </p>
        <p className="mt-0.5 flex flex-wrap gap-x-3 text-xs leading-5 text-ink-3">
          <span>
            <bdi>{preview.author}</bdi>, {preview.fork ? `${preview.head_repository}:` : ""}
            {preview.head_branch} <code>{preview.head_sha.slice(0, 7)}</code>
          </span>
          <Ago at={preview.active_at} />
          {preview.approved_sha && preview.fork ? (
            <span>
              <code>{preview.approved_sha.slice(0, 7)}</code> was approved
            </span>
          ) : null}
          {preview.deployment_id ? (
            <Link
              to={`/agents/${agentId}/deployments/${preview.deployment_id}`}
              className="text-sea underline-offset-2 hover:underline"
            >
              its deployment
            </Link>
          ) : null}
        </p>
        {preview.url ? (
          <a
            href={preview.url}
            target="_blank"
            rel="noopener"
            className="mt-0.5 inline-block max-w-full truncate text-sea underline-offset-2 hover:underline"
          >
            {preview.url.replace(/^https?:\/\//, "")}
          </a>
        ) : null}
      </div>
      {waits && may("preview:approve") ? (
        <Button size="sm" icon={Check} onClick={() => setAsking(true)}>
          Approve {preview.head_sha.slice(0, 7)}
        </Button>
      ) : null}
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Build ${preview.head_sha.slice(0, 7)} of #${preview.number}?`}
        action="Approve and build"
        danger={false}
        busy={approve.isPending}
        onConfirm={() => approve.mutate()}
      >
        <p>
          It comes from {preview.head_repository}: look at what it changes first. It runs with the
          plain variables of the environment “preview” and no secret ones; a later commit waits
          again.
        </p>
      </ConfirmDialog>
    </li>
  );
}
