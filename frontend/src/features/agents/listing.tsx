/** What the marketplace says of an agent: writing it, what it still needs, publishing, taking back. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { useState } from "react";
import { agentKeys } from "@/api/agents";
import { listingKeys, listingQuery, publish, unpublish } from "@/api/listing";
import { offerKeys } from "@/api/marketplace";
import { asProblem } from "@/api/problem";
import type { AgentDetail, Listing as Draft } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Prose } from "@/components/prose";
import { QueryView } from "@/components/query-view";
import { ColumnsOutline } from "@/components/skeleton";
import { Light, Status } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";
import { useAgent } from "./agent";
import { ListingForm } from "./listing-form";
import { ListingReviews } from "./listing-reviews";
import { Pictures } from "./pictures";
import { Sharing } from "./sharing";

export function Listing() {
  const agent = useAgent();
  const query = useQuery(listingQuery(agent.id));
  return (
    <QueryView
      query={query}
      loading={<ColumnsOutline what="Reading the listing" main="h-[34rem]" side="h-96" />}
    >
      {(draft) => (
        <div className="grid gap-5 lg:grid-cols-[minmax(0,1fr)_22rem]">
          <div className="min-w-0 space-y-5 lg:order-2">
            <Publishing agent={agent} draft={draft} />
            <Sharing draft={draft} />
          </div>
          <div className="min-w-0 space-y-5 lg:order-1">
            <ListingForm key={agent.id} draft={draft} />
            <Pictures draft={draft} />
            {draft.is_public ? <ListingReviews agentId={agent.id} slug={draft.slug} /> : null}
          </div>
        </div>
      )}
    </QueryView>
  );
}

function Publishing({ agent, draft }: { agent: AgentDetail; draft: Draft }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const shown = (saved: Draft) => {
    client.setQueryData(listingKeys.one(agent.id), saved);
    void client.invalidateQueries({ queryKey: listingKeys.one(agent.id) });
    void client.invalidateQueries({ queryKey: agentKeys.one(agent.id) });
    void client.invalidateQueries({ queryKey: offerKeys.all });
  };
  const show = useMutation({
    mutationFn: () => publish(agent.id, draft.candidate_id),
    onSuccess: (saved) => {
      shown(saved);
      toast.done(`${saved.name} ${saved.label} is in the marketplace`, {
        detail: "Searches find it within a minute.",
      });
    },
    onError: (error) => {
      // What is missing changed meanwhile: the list is read again.
      if (asProblem(error).code === "not_publishable") {
        void client.invalidateQueries({ queryKey: listingKeys.one(agent.id) });
      }
    },
  });
  const withdraw = useMutation({
    mutationFn: () => unpublish(agent.id),
    onSuccess: (saved) => {
      setAsking(false);
      shown(saved);
      toast.done(`${saved.name} is no longer in the marketplace`);
    },
    onError: (error) => {
      setAsking(false);
      toast.failed(error);
    },
  });
  const open = draft.checks.filter(({ passed }) => !passed).length;
  const newer = draft.is_public && draft.candidate_id !== draft.version_id;
  return (
    <Plate title="Publishing" actions={<State draft={draft} />}>
      <div className="space-y-4 text-sm">
        {draft.moderation_reason ? (
          <p role="alert" className="rounded border-l-4 border-l-port bg-port-wash px-3 py-2">
            Operators have hidden it: {draft.moderation_reason}
          </p>
        ) : null}
        {draft.is_public ? (
          <p className="text-ink-2">
            Everybody sees {draft.label}
            {draft.refreshed_at ? (
              <>
                , published <Ago at={draft.refreshed_at} />
              </>
            ) : null}
            . Copies go on whatever you do here.
          </p>
        ) : (
          <p className="text-ink-2">
            {draft.publishable
              ? "Everything is met. Publishing shows it to everybody; others can run copies."
              : `${open} of ${draft.checks.length} points are open before it can be published.`}
          </p>
        )}
        <ul aria-label="What must hold" className="space-y-2.5">
          {draft.checks.map((check) => (
            <li key={check.code} className="flex gap-2.5">
              <Light tone={check.passed ? "live" : "ended"} className="mt-1" />
              <div className="min-w-0">
                <p className={check.passed ? "text-ink-2" : "font-[600]"}>
                  {check.title}
                  <span className="sr-only">{check.passed ? ": met" : ": open"}</span>
                </p>
                {check.passed ? null : (
                  <p className="break-words text-ink-2">
                    <Prose text={check.detail} />
                  </p>
                )}
              </div>
            </li>
          ))}
        </ul>
        {show.error ? <Problem compact error={show.error} /> : null}
        <div className="flex flex-wrap gap-2">
          {draft.is_public && !newer ? null : (
            <Button
              variant="primary"
              disabled={!draft.publishable}
              busy={show.isPending}
              onClick={() => show.mutate()}
            >
              Publish {draft.candidate_label ?? ""}
            </Button>
          )}
          {draft.is_public ? (
            <>
              <ButtonLink to={`/marketplace/${draft.slug}`} icon={ExternalLink}>
                See its page
              </ButtonLink>
              <Button variant="quiet" onClick={() => setAsking(true)}>
                Unpublish
              </Button>
            </>
          ) : null}
        </div>
      </div>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Take ${draft.name} out of the marketplace?`}
        action="Unpublish"
        busy={withdraw.isPending}
        onConfirm={() => withdraw.mutate()}
      >
        <p>
          Nobody finds it any more, and no new copies are made. Copies that exist go on, and its
          address stays yours: you can publish it again.
        </p>
      </ConfirmDialog>
    </Plate>
  );
}

function State({ draft }: { draft: Draft }) {
  if (draft.moderation_reason) return <Status tone="failed" label="Hidden" />;
  return draft.is_public ? (
    <Status tone="live" label="Published" />
  ) : (
    <Status tone="ended" label="Not published" />
  );
}
