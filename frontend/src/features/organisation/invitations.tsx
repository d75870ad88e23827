/** The invitations that wait or have expired unused. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { MailPlus } from "lucide-react";
import { useState } from "react";
import { invitationsQuery, memberKeys, resendInvitation, revokeInvitation } from "@/api/members";
import type { Invitation } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Empty } from "@/components/empty";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Status, Tag } from "@/components/status";
import { Ago, Until } from "@/components/time";
import { toast } from "@/components/toast";
import { InviteDialog } from "./invite-dialog";
import { useThisOrganisation } from "./organisation";
import { ROLES } from "./roles";

export function Invitations() {
  const organisation = useThisOrganisation();
  const query = useQuery({
    ...invitationsQuery(organisation.id),
    enabled: !organisation.personal,
  });
  const [inviting, setInviting] = useState(false);
  const open = organisation.closes_at === null;
  const button = (
    <Button size="sm" variant="primary" icon={MailPlus} onClick={() => setInviting(true)}>
      Invite somebody
    </Button>
  );
  if (organisation.personal) {
    return (
      <div className="plate">
        <Empty
          title="Nobody can be invited here"
          action={
            <ButtonLink to="/organisations/new" variant="primary">
              New organisation
            </ButtonLink>
          }
        >
          This organisation is yours alone. Make another one to work with others.
        </Empty>
      </div>
    );
  }
  return (
    <Plate flush title="Invitations" actions={open ? button : null}>
      <QueryView
        query={query}
        loading={<SkeletonRows rows={3} height="h-16" />}
        isEmpty={(data) => data.items.length === 0}
        empty={
          <Empty title="No invitation waits">
            Who is invited gets a link by email, and stands among the members once they accept.
          </Empty>
        }
      >
        {(data) => (
          <ul className="divide-y divide-line">
            {data.items.map((one) => (
              <Row key={one.id} orgId={organisation.id} invitation={one} open={open} />
            ))}
          </ul>
        )}
      </QueryView>
      {inviting ? (
        <InviteDialog organisation={organisation} onClose={() => setInviting(false)} />
      ) : null}
    </Plate>
  );
}

function Row({
  orgId,
  invitation,
  open,
}: {
  orgId: string;
  invitation: Invitation;
  open: boolean;
}) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const settled = () => client.invalidateQueries({ queryKey: memberKeys.invitations(orgId) });
  const resend = useMutation({
    mutationFn: () => resendInvitation(orgId, invitation.id),
    onSuccess: () => {
      toast.done(`Sent again to ${invitation.email}`, {
        detail: "The link from before has ended.",
      });
    },
    onError: (error) => toast.failed(error),
    onSettled: settled,
  });
  const revoke = useMutation({
    mutationFn: () => revokeInvitation(orgId, invitation.id),
    onSuccess: () => toast.done(`The invitation of ${invitation.email} is revoked`),
    onError: (error) => toast.failed(error),
    onSettled: () => {
      setAsking(false);
      return settled();
    },
  });
  const expired = invitation.state === "expired";
  const grants = Object.keys(invitation.grants).length;
  return (
    <li className="flex min-h-16 flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5">
      <div className="min-w-0 flex-1 basis-52">
        <p className="truncate font-[560]">{invitation.email}</p>
        <p className="flex flex-wrap gap-x-2 text-sm text-ink-3">
          <span>
            sent <Ago at={invitation.sent_at} />
          </span>
          {invitation.restricted ? <Tag>sees {agents(grants)}</Tag> : null}
          {!invitation.restricted && grants > 0 ? <Tag>roles on {agents(grants)}</Tag> : null}
        </p>
      </div>
      <span className="w-20 text-right text-sm sm:text-left">{ROLES[invitation.role].name}</span>
      <span className="w-40 text-sm">
        {expired ? (
          <Status tone="ended" label="Expired" />
        ) : (
          <span className="flex items-center gap-1.5">
            <Status tone="moving" label="Waiting" />
            <span className="text-ink-3">
              ends <Until at={invitation.expires_at} />
            </span>
          </span>
        )}
      </span>
      {open ? (
        <div className="flex gap-2">
          <Button
            size="sm"
            busy={resend.isPending}
            aria-label={`Send again to ${invitation.email}`}
            onClick={() => resend.mutate()}
          >
            Send again
          </Button>
          <Button
            size="sm"
            variant="quiet"
            aria-label={`Revoke the invitation of ${invitation.email}`}
            onClick={() => setAsking(true)}
          >
            Revoke
          </Button>
        </div>
      ) : null}
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Revoke the invitation of ${invitation.email}?`}
        action="Revoke it"
        busy={revoke.isPending}
        onConfirm={() => revoke.mutate()}
      >
        <p>Its link ends at once. You can invite them again.</p>
      </ConfirmDialog>
    </li>
  );
}

function agents(count: number): string {
  return count === 1 ? "1 agent" : `${count} agents`;
}
