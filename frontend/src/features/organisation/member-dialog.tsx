/** Changing what a member may do; two admins at once see both sides. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { changeMember, memberKeys, membersQuery, type Rights } from "@/api/members";
import { rolesBelow } from "@/api/permissions";
import { asProblem } from "@/api/problem";
import type { Member, Organisation } from "@/api/types";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";
import { RIGHTS, RightsFields } from "./rights-fields";
import { ROLES } from "./roles";

const rightsOf = ({ role, restricted, grants }: Member): Rights => ({ role, restricted, grants });

export function MemberDialog({
  organisation,
  member,
  onClose,
}: {
  organisation: Organisation;
  member: Member;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const [rights, setRights] = useState(() => rightsOf(member));
  const [theirs, setTheirs] = useState<Member>();
  const save = useMutation({
    mutationFn: (revision: number) =>
      changeMember(organisation.id, member.user_id, rights, revision),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: memberKeys.members(organisation.id) });
      toast.done(`${member.name || member.email} has other rights now`, {
        detail: "They count everywhere within a minute.",
      });
      onClose();
    },
    onError: async (error) => {
      if (asProblem(error).status !== 412) return;
      const fresh = await client.fetchInfiniteQuery({
        ...membersQuery(organisation.id),
        staleTime: 0,
      });
      setTheirs(
        fresh.pages.flatMap((page) => page.items).find((one) => one.user_id === member.user_id),
      );
    },
  });
  const problem = save.error ? asProblem(save.error) : undefined;
  const same = JSON.stringify(rights) === JSON.stringify(rightsOf(theirs ?? member));
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Rights of ${member.name || member.email}`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            variant="primary"
            type="submit"
            form="member-rights"
            disabled={same}
            busy={save.isPending}
          >
            {theirs ? "Save mine over it" : "Save"}
          </Button>
        </>
      }
    >
      <form
        id="member-rights"
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (!same && !save.isPending) save.mutate((theirs ?? member).revision);
        }}
      >
        <RightsFields
          value={rights}
          onChange={setRights}
          roles={rolesBelow(organisation.role)}
          error={(field) => problem?.field(field)}
        />
        {theirs ? (
          <div
            role="alert"
            className="rounded border border-lantern/50 border-l-4 border-l-lantern bg-lantern-wash p-3 text-sm"
          >
            <p className="font-[620]">Somebody else changed them while you were editing</p>
            <p className="mt-0.5">
              They are {ROLES[theirs.role].name.toLowerCase()} now,{" "}
              {theirs.restricted ? "restricted" : "not restricted"}, with{" "}
              {Object.keys(theirs.grants).length} roles on single agents.
            </p>
            <Button
              size="sm"
              className="mt-2"
              onClick={() => {
                setRights(rightsOf(theirs));
              }}
            >
              Take theirs
            </Button>
          </div>
        ) : problem?.beside(...RIGHTS) ? (
          <Problem compact error={problem} />
        ) : null}
      </form>
    </Dialog>
  );
}
