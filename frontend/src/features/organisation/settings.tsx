/** What the organisation is called, and its end. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { accountKeys } from "@/api/account";
import { useEdit } from "@/api/edit";
import {
  closeOrganisation,
  organisationKeys,
  organisationQuery,
  renameOrganisation,
} from "@/api/organisations";
import { useMay } from "@/api/permissions";
import type { Organisation } from "@/api/types";
import { CopyButton } from "@/components/copy";
import { DangerZone } from "@/components/danger-zone";
import { BothSides, SaveRow } from "@/components/edit-form";
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
      <Plate title="About">
        <Facts
          items={[
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

const valuesOf = ({ name }: Organisation) => ({ name });
type Values = ReturnType<typeof valuesOf>;
const differ = (before: Values, now: Values): (keyof Values)[] =>
  now.name.trim() === before.name ? [] : ["name"];

function Rename({ organisation }: { organisation: Organisation }) {
  const client = useQueryClient();
  const edit = useEdit<Organisation, Values>({
    saved: organisation,
    valuesOf,
    differ,
    write: ({ name }, _fields, revision) =>
      renameOrganisation(organisation.id, name.trim(), revision),
    read: () => client.fetchQuery({ ...organisationQuery(organisation.id), staleTime: 0 }),
    onSaved: (saved) => {
      client.setQueryData(organisationKeys.one(saved.id), saved);
      void client.invalidateQueries({ queryKey: organisationKeys.mine });
      void client.invalidateQueries({ queryKey: accountKeys.me, exact: true });
      toast.done(`It is called ${saved.name} now`);
    },
  });
  const { values, fields, problem, theirs } = edit;
  const changed = fields.length > 0;
  const empty = values.name.trim() === "" ? "An organisation needs a name." : undefined;
  return (
    <Plate title="Name">
      <form
        noValidate
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (changed && !empty && !edit.busy) edit.save();
        }}
      >
        <TextField
          label="Name"
          hideLabel
          value={values.name}
          maxLength={80}
          error={empty ?? problem?.field("name")}
          onChange={(event) => edit.set("name", event.target.value)}
        />
        {problem?.beside("name") ? <Problem compact error={problem} /> : null}
        {theirs ? (
          <BothSides
            title="Somebody renamed it while you were editing"
            busy={edit.busy}
            onMine={edit.saveMine}
            onTheirs={edit.takeTheirs}
          >
            <p className="mt-0.5 break-words">
              It is called <strong>{theirs.name}</strong> now; you wrote{" "}
              <strong>{values.name.trim()}</strong>.
            </p>
          </BothSides>
        ) : (
          <SaveRow
            label="Rename"
            changed={changed}
            fit={!empty}
            busy={edit.busy}
            onDiscard={edit.discard}
          />
        )}
      </form>
    </Plate>
  );
}

function Danger({ organisation }: { organisation: Organisation }) {
  const client = useQueryClient();
  const close = useMutation({
    mutationFn: () => closeOrganisation(organisation.id, organisation.name),
    onSuccess: (closing) => {
      client.setQueryData(organisationKeys.one(closing.id), closing);
      void client.invalidateQueries({ queryKey: organisationKeys.mine });
      toast.note(`${closing.name} is being deleted`, {
        detail: "Everything in it has stopped. For seven days you can bring it back.",
      });
    },
    onError: (error) => toast.failed(error),
  });
  return (
    <DangerZone
      title="Delete this organisation"
      told="Its agents, builds and API tokens stop at once, for everybody in it. For seven days an owner can bring it back; then it is gone for good."
      action="Delete organisation"
      question={`Delete ${organisation.name}?`}
      phrase={organisation.name}
      warning="Everything that runs in it stops now."
      busy={close.isPending}
      onConfirm={() => close.mutateAsync()}
    />
  );
}
