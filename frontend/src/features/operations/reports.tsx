/** What people have reported in the marketplace, oldest first: hidden or left, with a reason. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { decideReport, reportsQuery } from "@/api/moderation";
import { ApiProblem } from "@/api/problem";
import type { ReportCase } from "@/api/types";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { Empty } from "@/components/empty";
import { TextField } from "@/components/field";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { Problem } from "@/components/problem";
import { SkeletonRows } from "@/components/skeleton";
import { Tag } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

type Decision = "hide" | "dismiss";

export function Reports() {
  const query = useInfiniteQuery(reportsQuery);
  const [asking, setAsking] = useState<ReportCase>();
  return (
    <Plate flush title="Reports" note="of the marketplace, oldest first">
      <PagedList
        query={query}
        loading={<SkeletonRows rows={1} height="h-16" />}
        more="Later reports"
        empty={
          <Empty quiet title="No open reports">
            Everything reported has been decided.
          </Empty>
        }
      >
        {(one) => <Row key={one.id} report={one} onDecide={() => setAsking(one)} />}
      </PagedList>
      {asking ? (
        <Deciding key={asking.id} report={asking} onClose={() => setAsking(undefined)} />
      ) : null}
    </Plate>
  );
}

function Row({ report, onDecide }: { report: ReportCase; onDecide: () => void }) {
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3 text-sm">
      <div className="min-w-0 flex-1 basis-64 space-y-1">
        <p className="flex flex-wrap items-center gap-x-2">
          <Link
            to={`/marketplace/${encodeURIComponent(report.slug)}`}
            className="font-[560] break-words text-sea hover:underline"
          >
            {report.name}
          </Link>
          <Tag>{report.reason}</Tag>
          {report.review_id ? <Tag>a review, {report.review_stars} of 5</Tag> : null}
          <Ago at={report.created_at} className="text-ink-3" />
        </p>
        {report.review_text ? (
          <blockquote className="border-l-2 border-line-2 pl-3 break-words text-ink-2">
            {report.review_text}
          </blockquote>
        ) : null}
        {report.detail ? <p className="break-words">{report.detail}</p> : null}
      </div>
      <Button
        size="sm"
        className="ml-auto"
        aria-label={`Decide on ${report.name}`}
        onClick={onDecide}
      >
        Decide
      </Button>
    </li>
  );
}

function Deciding({ report, onClose }: { report: ReportCase; onClose: () => void }) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const decide = useMutation({
    mutationFn: (decision: Decision) =>
      decideReport(report.id, { decision, reason: reason.trim() }),
    onSuccess: (_, decision) => {
      toast.done(decision === "hide" ? "It is hidden" : "It stays");
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: reportsQuery.queryKey }),
  });
  const take = (decision: Decision) => {
    setTried(true);
    if (reason.trim()) decide.mutate(decision);
  };
  const told = decide.error instanceof ApiProblem ? decide.error.field("reason") : undefined;
  const busy = (decision: Decision) => decide.isPending && decide.variables === decision;
  return (
    <Dialog
      open
      onOpenChange={(open) => (open || decide.isPending ? undefined : onClose())}
      title={`Decide on ${report.review_id ? "a review of " : ""}${report.name}`}
      description="The author is shown the reason. Every open report of the same is answered with it."
      size="sm"
      footer={
        <>
          <Button busy={busy("dismiss")} disabled={busy("hide")} onClick={() => take("dismiss")}>
            Leave it
          </Button>
          <Button
            variant="danger"
            busy={busy("hide")}
            disabled={busy("dismiss")}
            onClick={() => take("hide")}
          >
            Hide it
          </Button>
        </>
      }
    >
      <div className="space-y-3">
        <TextField
          label="Reason"
          value={reason}
          maxLength={500}
          onChange={(event) => setReason(event.target.value)}
          error={told ?? (tried && !reason.trim() ? "Say why, in a sentence." : undefined)}
        />
        {decide.error && !told ? <Problem compact error={decide.error} /> : null}
      </div>
    </Dialog>
  );
}
