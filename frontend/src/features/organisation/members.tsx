/** Who is in the organisation, as what; changing that, leaving, handing over. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, MailPlus } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { accountKeys, meQuery } from "@/api/account";
import { memberKeys, membersQuery, removeMember, transferOrganisation } from "@/api/members";
import { useOrganisation } from "@/api/organisation";
import { organisationKeys } from "@/api/organisations";
import { rolesBelow, useMay } from "@/api/permissions";
import type { Member, Organisation } from "@/api/types";
import { Button, ButtonLink, IconButton } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Empty } from "@/components/empty";
import { Menu, MenuItem, MenuRule } from "@/components/menu";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { SkeletonRows } from "@/components/skeleton";
import { Tag } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";
import { InviteDialog } from "./invite-dialog";
import { MemberDialog } from "./member-dialog";
import { useThisOrganisation } from "./organisation";
import { ROLES } from "./roles";

type Asking = { what: "rights" | "remove" | "transfer" | "leave"; member: Member };

export function Members() {
  const organisation = useThisOrganisation();
  const query = useInfiniteQuery(membersQuery(organisation.id));
  const me = useQuery(meQuery).data?.user.id;
  const may = useMay();
  const [asking, setAsking] = useState<Asking>();
  const [inviting, setInviting] = useState(false);
  const open = organisation.closes_at === null;
  const canInvite = open && !organisation.personal && may("member:invite");
  const given = rolesBelow(organisation.role);
  const close = () => setAsking(undefined);
  return (
    <div className="space-y-5">
      <Plate
        flush
        title="Members"
        actions={
          canInvite ? (
            <Button size="sm" variant="primary" icon={MailPlus} onClick={() => setInviting(true)}>
              Invite somebody
            </Button>
          ) : null
        }
      >
        <PagedList
          query={query}
          loading={<SkeletonRows rows={4} height="h-16" />}
          more="More members"
        >
          {(member) => (
            <Row
              key={member.user_id}
              member={member}
              own={member.user_id === me}
              organisation={organisation}
              canChange={open && may("member:update") && given.includes(member.role)}
              canRemove={open && may("member:remove") && given.includes(member.role)}
              canTransfer={open && may("organisation:transfer")}
              ask={(what) => setAsking({ what, member })}
            />
          )}
        </PagedList>
      </Plate>
      {organisation.personal ? (
        <div className="plate">
          <Empty
            title="To work with others, make an organisation"
            action={
              <ButtonLink to="/organisations/new" variant="primary">
                New organisation
              </ButtonLink>
            }
          >
            This one is yours alone. In another you can invite people, give them roles, and keep
            agents together that belong to all of you.
          </Empty>
        </div>
      ) : null}
      {asking?.what === "rights" ? (
        <MemberDialog organisation={organisation} member={asking.member} onClose={close} />
      ) : asking ? (
        <Question asking={asking} organisation={organisation} onClose={close} />
      ) : null}
      {inviting ? (
        <InviteDialog organisation={organisation} onClose={() => setInviting(false)} />
      ) : null}
    </div>
  );
}

function Row({
  member,
  own,
  organisation,
  canChange,
  canRemove,
  canTransfer,
  ask,
}: {
  member: Member;
  own: boolean;
  organisation: Organisation;
  canChange: boolean;
  canRemove: boolean;
  canTransfer: boolean;
  ask: (what: Asking["what"]) => void;
}) {
  const grants = Object.keys(member.grants).length;
  const name = member.name || member.email;
  const actions = own
    ? !organisation.personal
    : canChange || canRemove || (canTransfer && member.role !== "owner");
  return (
    <li className="flex min-h-16 items-center gap-3 px-4 py-2.5">
      <span
        aria-hidden="true"
        className="flex size-9 shrink-0 items-center justify-center rounded-full bg-sunk text-sm font-[640] text-ink-2 uppercase"
      >
        {[...name][0] ?? "·"}
      </span>
      <div className="min-w-0 flex-1">
        <p className="flex min-w-0 items-center gap-2">
          <span className="truncate font-[560]">{name}</span>
          {own ? <Tag>you</Tag> : null}
        </p>
        <p className="truncate text-sm text-ink-3">{member.email}</p>
      </div>
      <div className="shrink-0 text-right text-sm">
        <p className="font-[560]">{ROLES[member.role].name}</p>
        <p className="text-xs text-ink-3">
          {member.restricted
            ? `sees ${grants} ${grants === 1 ? "agent" : "agents"}`
            : grants > 0
              ? `and roles on ${grants} ${grants === 1 ? "agent" : "agents"}`
              : ""}
        </p>
      </div>
      <span className="hidden w-36 shrink-0 text-right text-sm text-ink-3 md:block">
        joined <Ago at={member.joined_at} />
      </span>
      <div className="w-7 shrink-0">
        {actions ? (
          <Menu
            label={`What to do with ${name}`}
            trigger={<IconButton icon={Ellipsis} size="sm" label={`Actions for ${name}`} />}
          >
            {own ? (
              <MenuItem danger onSelect={() => ask("leave")}>
                Leave the organisation
              </MenuItem>
            ) : null}
            {!own && canChange ? (
              <MenuItem onSelect={() => ask("rights")}>Change rights</MenuItem>
            ) : null}
            {!own && canTransfer && member.role !== "owner" ? (
              <MenuItem onSelect={() => ask("transfer")}>Hand the organisation over</MenuItem>
            ) : null}
            {!own && canRemove ? (
              <>
                <MenuRule />
                <MenuItem danger onSelect={() => ask("remove")}>
                  Remove
                </MenuItem>
              </>
            ) : null}
          </Menu>
        ) : null}
      </div>
    </li>
  );
}

function Question({
  asking: { what, member },
  organisation,
  onClose,
}: {
  asking: Asking;
  organisation: Organisation;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { choose } = useOrganisation();
  const name = member.name || member.email;
  const act = useMutation({
    mutationFn: async () => {
      if (what === "transfer") await transferOrganisation(organisation.id, member.user_id);
      else await removeMember(organisation.id, member.user_id);
    },
    onSuccess: () => {
      onClose();
      if (what === "leave") {
        choose(null);
        navigate("/agents");
        void client.invalidateQueries({ queryKey: organisationKeys.all });
        toast.done(`You have left ${organisation.name}`);
        return;
      }
      void client.invalidateQueries({ queryKey: memberKeys.members(organisation.id) });
      void client.invalidateQueries({ queryKey: memberKeys.invitations(organisation.id) });
      if (what === "transfer") {
        void client.invalidateQueries({ queryKey: organisationKeys.all });
        void client.invalidateQueries({ queryKey: accountKeys.me });
      }
      toast.done(what === "transfer" ? `${name} is an owner now` : `${name} is removed`);
    },
    onError: (error) => {
      onClose();
      toast.failed(error);
    },
  });
  const ask = {
    remove: {
      title: `Remove ${name}?`,
      action: "Remove",
      text: "They lose access and their API tokens at once. What they made stays, and their agents keep running.",
    },
    leave: {
      title: `Leave ${organisation.name}?`,
      action: "Leave",
      text: "You lose access and your API tokens here. What you made stays. To come back you need an invitation.",
    },
    transfer: {
      title: `Hand ${organisation.name} over to ${name}?`,
      action: "Hand over",
      text: "They become an owner and you an admin, in one step. Only they can take that back.",
    },
    rights: { title: "", action: "", text: "" },
  }[what];
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={ask.title}
      action={ask.action}
      busy={act.isPending}
      {...(what === "transfer" ? { phrase: organisation.name } : {})}
      onConfirm={() => act.mutate()}
    >
      <p>{ask.text}</p>
    </ConfirmDialog>
  );
}
