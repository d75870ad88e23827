/** Who beside the public sees an agent: members, organisations, people, holders of a link. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link2, UserPlus } from "lucide-react";
import { useState } from "react";
import { agentKeys } from "@/api/agents";
import { listingKeys, publish } from "@/api/listing";
import { useMay } from "@/api/permissions";
import { asProblem } from "@/api/problem";
import { endShare, type NewShare, share, shareKeys, sharesQuery } from "@/api/sharing";
import type { Listing, NewShareMade, Share } from "@/api/types";
import { Button } from "@/components/button";
import { CodeBlock } from "@/components/copy";
import { ConfirmDialog, Dialog } from "@/components/dialog";
import { SelectField, TextField } from "@/components/field";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Ago, Until } from "@/components/time";
import { toast } from "@/components/toast";

type Kind = Share["kind"];
const DAYS: [label: string, days: number][] = [
  ["Until I end it", 0],
  ["One day", 1],
  ["A week", 7],
  ["30 days", 30],
];

export function Sharing({ draft }: { draft: Listing }) {
  const may = useMay();
  if (!may("agent:share")) return null;
  return <Allowed draft={draft} />;
}

function Allowed({ draft }: { draft: Listing }) {
  const query = useQuery(sharesQuery(draft.agent_id));
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<NewShareMade>();
  const ready = draft.candidate_id !== null || draft.version_id !== null;
  return (
    <Plate
      title="Sharing"
      note="without publishing it"
      actions={
        <Button size="sm" icon={UserPlus} disabled={!ready} onClick={() => setAdding(true)}>
          Share
        </Button>
      }
    >
      <div className="space-y-4 text-sm">
        <Members draft={draft} />
        {ready ? null : (
          <p className="text-ink-2">It can be shared once a version of it is ready.</p>
        )}
        <QueryView
          query={query}
          loading={<SkeletonRows rows={2} height="h-12" />}
          isEmpty={({ items }) => items.length === 0}
          empty={<p className="text-ink-2">It is shared with nobody else.</p>}
        >
          {({ items }) => (
            <ul aria-label="Shared with" className="divide-y divide-line">
              {items.map((one) => (
                <Row key={one.id} agentId={draft.agent_id} share={one} />
              ))}
            </ul>
          )}
        </QueryView>
      </div>
      {adding ? (
        <NewShareDialog
          agentId={draft.agent_id}
          onClose={() => setAdding(false)}
          onMade={(one) => {
            setAdding(false);
            if (one.url) setMade(one);
          }}
        />
      ) : null}
      {made?.url ? (
        <Dialog
          open
          onOpenChange={() => setMade(undefined)}
          title="The link is made"
          description="This is the only time it is shown. Whoever holds it can see the agent and run a copy."
          footer={
            <Button variant="primary" onClick={() => setMade(undefined)}>
              Done
            </Button>
          }
        >
          <CodeBlock text={made.url} label="Copy the link" />
        </Dialog>
      ) : null}
    </Plate>
  );
}

/** Members see it in their own part of the marketplace, once that is chosen. */
function Members({ draft }: { draft: Listing }) {
  const client = useQueryClient();
  const shown = draft.visibility === "organisation" && draft.version_id !== null;
  const show = useMutation({
    mutationFn: (visibility: "organisation" | "private") =>
      publish(draft.agent_id, draft.candidate_id ?? draft.version_id, visibility),
    onSuccess: (saved) => {
      client.setQueryData(listingKeys.one(draft.agent_id), saved);
      void client.invalidateQueries({ queryKey: agentKeys.one(draft.agent_id) });
      void client.invalidateQueries({ queryKey: shareKeys.shown });
      toast.done(
        saved.visibility === "organisation"
          ? `Members of your organisation find ${saved.label}`
          : "Members no longer find it in the marketplace",
      );
    },
  });
  if (draft.is_public) return null;
  const newer = shown && draft.candidate_id !== null && draft.candidate_id !== draft.version_id;
  return (
    <div className="space-y-2">
      <p className="text-ink-2">
        {shown
          ? `Members of your organisation find ${draft.label} in the marketplace.`
          : "Members of your organisation do not find it in the marketplace."}
      </p>
      <div className="flex flex-wrap gap-2">
        {!shown || newer ? (
          <Button
            size="sm"
            disabled={draft.candidate_id === null}
            busy={show.isPending}
            onClick={() => show.mutate("organisation")}
          >
            {newer ? `Show ${draft.candidate_label ?? "the newest"} to members` : "Show to members"}
          </Button>
        ) : null}
        {shown ? (
          <Button
            size="sm"
            variant="quiet"
            busy={show.isPending}
            onClick={() => show.mutate("private")}
          >
            Hide from members
          </Button>
        ) : null}
      </div>
      {show.error ? <Problem compact error={show.error} /> : null}
    </div>
  );
}

function nameOf({ kind, grantee, note }: Share): string {
  if (kind === "link") return note || "A secret link";
  return kind === "person" ? grantee : note || grantee;
}

function Row({ agentId, share: one }: { agentId: string; share: Share }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const end = useMutation({
    mutationFn: () => endShare(agentId, one.id),
    onSuccess: () => toast.done("It is shared with them no longer"),
    onError: (error) => toast.failed(error),
    onSettled: () => {
      setAsking(false);
      return client.invalidateQueries({ queryKey: shareKeys.of(agentId) });
    },
  });
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1 py-2">
      <div className="min-w-0 flex-1 basis-40">
        <p className="flex items-center gap-1.5 font-[560]">
          {one.kind === "link" ? <Link2 size={14} aria-hidden="true" /> : null}
          <span className="truncate">{nameOf(one)}</span>
        </p>
        <p className="text-ink-3">
          {one.kind === "link" ? "whoever holds it" : one.kind}, since <Ago at={one.created_at} />
          {one.expires_at ? (
            <>
              , ends <Until at={one.expires_at} />
            </>
          ) : null}
        </p>
      </div>
      <Button size="sm" variant="quiet" onClick={() => setAsking(true)}>
        End
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`End the share with ${nameOf(one)}?`}
        action="End it"
        busy={end.isPending}
        onConfirm={() => end.mutate()}
      >
        <p>
          They see the agent no more, and hear of no newer version. Copies that were made go on.
        </p>
      </ConfirmDialog>
    </li>
  );
}

function NewShareDialog({
  agentId,
  onClose,
  onMade,
}: {
  agentId: string;
  onClose: () => void;
  onMade: (made: NewShareMade) => void;
}) {
  const client = useQueryClient();
  const [kind, setKind] = useState<Kind>("link");
  const [who, setWho] = useState("");
  const [note, setNote] = useState("");
  const [days, setDays] = useState(0);
  const make = useMutation({
    mutationFn: () => share(agentId, bodyOf(kind, who.trim(), note.trim(), days)),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: shareKeys.of(agentId) });
      void client.invalidateQueries({ queryKey: listingKeys.one(agentId) });
      if (!made.url) toast.done("It is shared");
      onMade(made);
    },
  });
  const problem = make.error ? asProblem(make.error) : undefined;
  const field = { person: "email", organisation: "organisation_id", link: "" }[kind];
  const fault = field ? problem?.field(field) : undefined;
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Share this agent"
      description="They see its listing and run copies of their own. It stays out of the public marketplace."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="new-share" busy={make.isPending}>
            Share
          </Button>
        </>
      }
    >
      <form
        id="new-share"
        className="space-y-4"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <SelectField
          label="With"
          value={kind}
          onChange={(event) => setKind(event.target.value as Kind)}
        >
          <option value="link">Whoever holds a secret link</option>
          <option value="person">A person</option>
          <option value="organisation">An organisation</option>
        </SelectField>
        {kind === "link" ? null : (
          <TextField
            label={kind === "person" ? "Email address" : "Id of the organisation"}
            type={kind === "person" ? "email" : "text"}
            hint={
              kind === "person"
                ? "They get a mail, and find it once they sign in with this address."
                : "It begins with org_; somebody there finds it in the organisation's settings."
            }
            error={fault}
            autoComplete="off"
            value={who}
            onChange={(event) => setWho(event.target.value)}
          />
        )}
        <TextField
          label="Note"
          optional
          hint="For your own people."
          maxLength={80}
          value={note}
          onChange={(event) => setNote(event.target.value)}
        />
        <SelectField
          label="For how long"
          value={days}
          onChange={(event) => setDays(Number(event.target.value))}
        >
          {DAYS.map(([label, value]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </SelectField>
        {problem?.beside(field) ? <Problem compact error={problem} /> : null}
      </form>
    </Dialog>
  );
}

function bodyOf(kind: Kind, who: string, note: string, days: number): NewShare {
  return {
    with: kind,
    email: kind === "person" ? who : "",
    organisation_id: kind === "organisation" ? who : "",
    note,
    expires_at: days ? new Date(Date.now() + days * 86_400_000).toISOString() : null,
  };
}
