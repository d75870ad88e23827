/** What the organisation is called, and its end. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { accountKeys } from "@/api/account";
import {
  closeOrganisation,
  organisationKeys,
  organisationQuery,
  renameOrganisation,
} from "@/api/organisations";
import { useMay } from "@/api/permissions";
import { asProblem } from "@/api/problem";
import type { Organisation } from "@/api/types";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { ConfirmDialog } from "@/components/dialog";
import { TextField } from "@/components/field";
import { Facts, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Exact } from "@/components/time";
import { toast } from "@/components/toast";
import { useThisOrganisation } from "./organisation";

export function Settings() {
  const organisation = useThisOrganisation();
  const may = useMay();
  const open = organisation.closes_at === null;
  return (
    <div className="max-w-3xl space-y-5">
      {open && may("organisation:update") ? <Rename organisation={organisation} /> : null}
      <Plate title="What it is">
        <Facts
          items={[
            ["Name", organisation.name],
            [
              "Id",
              <span key="id" className="flex items-center gap-1">
                <code className="break-all">{organisation.id}</code>
                <CopyButton text={organisation.id} label="Copy the id" />
              </span>,
            ],
            ["Tier", organisation.tier],
            ["Since", <Exact key="at" at={organisation.created_at} />],
          ]}
        />
      </Plate>
      {open && !organisation.personal && may("organisation:delete") ? (
        <Danger organisation={organisation} />
      ) : null}
    </div>
  );
}

function Rename({ organisation }: { organisation: Organisation }) {
  const client = useQueryClient();
  const [base, setBase] = useState(organisation);
  const [name, setName] = useState(organisation.name);
  const [theirs, setTheirs] = useState<Organisation>();
  const changed = name.trim() !== base.name;
  useEffect(() => {
    if (!changed && organisation.revision > base.revision) {
      setBase(organisation);
      setName(organisation.name);
    }
  }, [organisation, base.revision, changed]);
  const save = useMutation({
    mutationFn: (revision: number) => renameOrganisation(organisation.id, name.trim(), revision),
    onSuccess: (saved) => {
      client.setQueryData(organisationKeys.one(saved.id), saved);
      void client.invalidateQueries({ queryKey: organisationKeys.mine });
      void client.invalidateQueries({ queryKey: accountKeys.me, exact: true });
      setBase(saved);
      setName(saved.name);
      setTheirs(undefined);
      toast.done(`It is called ${saved.name} now`);
    },
    onError: async (error) => {
      if (asProblem(error).status !== 412) return;
      setTheirs(await client.fetchQuery({ ...organisationQuery(organisation.id), staleTime: 0 }));
    },
  });
  const problem = save.error && !theirs ? asProblem(save.error) : undefined;
  const empty = name.trim() === "" ? "An organisation needs a name." : undefined;
  return (
    <Plate title="Name">
      <form
        noValidate
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (changed && !empty && !save.isPending) save.mutate(base.revision);
        }}
      >
        <TextField
          label="Name"
          value={name}
          maxLength={80}
          error={empty ?? problem?.field("name")}
          onChange={(event) => setName(event.target.value)}
        />
        {problem && problem.fields.length === 0 && problem.status !== 412 ? (
          <Problem compact error={problem} />
        ) : null}
        {theirs ? (
          <section
            role="alert"
            aria-label="Somebody renamed it while you were editing"
            className="rounded border border-lantern/50 border-l-4 border-l-lantern bg-lantern-wash p-4 text-sm"
          >
            <p className="font-[620]">Somebody renamed it while you were editing</p>
            <p className="mt-0.5 break-words">
              It is called <strong>{theirs.name}</strong> now; you wrote{" "}
              <strong>{name.trim()}</strong>.
            </p>
            <div className="mt-3 flex flex-wrap justify-end gap-2">
              <Button
                size="sm"
                onClick={() => {
                  setBase(theirs);
                  setName(theirs.name);
                  setTheirs(undefined);
                  save.reset();
                }}
              >
                Take theirs
              </Button>
              <Button
                size="sm"
                variant="primary"
                busy={save.isPending}
                onClick={() => save.mutate(theirs.revision)}
              >
                Save mine
              </Button>
            </div>
          </section>
        ) : (
          <div className="flex justify-end gap-2">
            {changed ? (
              <Button variant="quiet" onClick={() => setName(base.name)}>
                Discard
              </Button>
            ) : null}
            <Button
              type="submit"
              variant="primary"
              disabled={!changed || empty !== undefined}
              busy={save.isPending}
            >
              Rename
            </Button>
          </div>
        )}
      </form>
    </Plate>
  );
}

function Danger({ organisation }: { organisation: Organisation }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const close = useMutation({
    mutationFn: () => closeOrganisation(organisation.id, organisation.name),
    onSuccess: (closing) => {
      setAsking(false);
      client.setQueryData(organisationKeys.one(closing.id), closing);
      void client.invalidateQueries({ queryKey: organisationKeys.mine });
      toast.note(`${closing.name} is being deleted`, {
        detail: "Everything in it has stopped. For seven days you can bring it back.",
      });
    },
    onError: (error) => {
      setAsking(false);
      toast.failed(error);
    },
  });
  return (
    <section aria-label="Danger zone" className="plate border-port/40">
      <div className="flex flex-wrap items-center justify-between gap-4 p-4">
        <div className="min-w-0 flex-1 basis-72">
          <h2 className="text-base text-port">Delete this organisation</h2>
          <p className="mt-0.5 text-sm text-ink-2">
            Its agents, builds and API tokens stop at once, for everybody in it. For seven days an
            owner can bring it back; then it is gone for good.
          </p>
        </div>
        <Button variant="danger" onClick={() => setAsking(true)}>
          Delete organisation
        </Button>
      </div>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Delete ${organisation.name}?`}
        action="Delete it"
        phrase={organisation.name}
        busy={close.isPending}
        onConfirm={() => close.mutate()}
      >
        <p>Everything that runs in it stops now.</p>
      </ConfirmDialog>
    </section>
  );
}
