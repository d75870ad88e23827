/** Inviting somebody by email. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { newIdempotencyKey } from "@/api/client";
import { invite, memberKeys, type Rights } from "@/api/members";
import { rolesBelow } from "@/api/permissions";
import { asProblem } from "@/api/problem";
import type { Organisation } from "@/api/types";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { TextField } from "@/components/field";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";
import { RIGHTS, RightsFields } from "./rights-fields";

export function InviteDialog({
  organisation,
  onClose,
}: {
  organisation: Organisation;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [rights, setRights] = useState<Rights>({
    role: "developer",
    restricted: false,
    grants: {},
  });
  const [asked, setAsked] = useState(false);
  const [key, setKey] = useState(newIdempotencyKey);
  const send = useMutation({
    mutationFn: () => invite(organisation.id, email.trim(), rights, key),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: memberKeys.invitations(organisation.id) });
      toast.done(`Invitation sent to ${made.email}`, { detail: "It is good for seven days." });
      onClose();
    },
  });
  const problem = send.error ? asProblem(send.error) : undefined;
  const missing =
    asked && !/^\S+@\S+$/.test(email.trim())
      ? "Write a whole address, such as ada@example.org."
      : undefined;
  const edited = () => {
    // Another invitation than the one that was sent before.
    setKey(newIdempotencyKey());
    if (send.error) send.reset();
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Invite somebody to ${organisation.name}`}
      description="They get a link that works once, within seven days, for this address alone."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="invite" busy={send.isPending}>
            Send invitation
          </Button>
        </>
      }
    >
      <form
        id="invite"
        noValidate
        className="space-y-5"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(true);
          if (/^\S+@\S+$/.test(email.trim()) && !send.isPending) send.mutate();
        }}
      >
        <TextField
          label="Email"
          type="email"
          autoComplete="off"
          autoFocus
          maxLength={254}
          value={email}
          error={missing ?? problem?.field("email")}
          onChange={(event) => {
            setEmail(event.target.value);
            edited();
          }}
        />
        <RightsFields
          value={rights}
          roles={rolesBelow(organisation.role)}
          error={(field) => problem?.field(field)}
          onChange={(next) => {
            setRights(next);
            edited();
          }}
        />
        {problem?.beside("email", ...RIGHTS) ? <Problem compact error={problem} /> : null}
      </form>
    </Dialog>
  );
}
