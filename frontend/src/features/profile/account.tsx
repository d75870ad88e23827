/** How one is called, what is kept about one, and the end of the account. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { accountKeys, deleteMe, exportMe, meQuery, renameMe } from "@/api/account";
import { forgetAnswers } from "@/api/client";
import { useOrganisation } from "@/api/organisation";
import { asProblem } from "@/api/problem";
import { signOut, useSession } from "@/api/session";
import { Button } from "@/components/button";
import { CopyButton } from "@/components/copy";
import { DangerZone } from "@/components/danger-zone";
import { SaveRow } from "@/components/edit-form";
import { TextField } from "@/components/field";
import { Facts, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { saveFile } from "@/components/save-file";
import { Loading, Skeleton } from "@/components/skeleton";
import { toast } from "@/components/toast";
import { Address } from "./address";

export function Account() {
  const query = useQuery(meQuery);
  return (
    <div className="max-w-3xl space-y-5">
      <QueryView
        query={query}
        loading={
          <Loading what="Reading your account">
            <div className="space-y-5">
              {["h-48", "h-60", "h-28"].map((height) => (
                <div key={height} className={`plate space-y-6 p-4 ${height}`}>
                  <Skeleton className="h-4 w-20" />
                  <Skeleton className="h-9 w-full" />
                </div>
              ))}
            </div>
          </Loading>
        }
      >
        {({ user }) => (
          <div className="space-y-5">
            <Name saved={user.name} />
            <Address present={user.email} />
            <Plate title="Account">
              <Facts
                items={[
                  [
                    "Id",
                    <span key="id" className="flex items-center gap-1">
                      <code className="break-all">{user.id}</code>
                      <CopyButton text={user.id} label="Copy the id" />
                    </span>,
                  ],
                ]}
              />
            </Plate>
            <Data />
            <Danger email={user.email} />
          </div>
        )}
      </QueryView>
    </div>
  );
}

function Name({ saved }: { saved: string }) {
  const client = useQueryClient();
  // Null: nothing typed, so what is saved stands there, also when it changes elsewhere.
  const [typed, setTyped] = useState<string | null>(null);
  const name = typed ?? saved;
  const save = useMutation({
    mutationFn: () => renameMe(name.trim()),
    onSuccess: (user) => {
      client.setQueryData(meQuery.queryKey, (me) => (me ? { ...me, user } : me));
      void client.invalidateQueries({ queryKey: accountKeys.me, exact: true });
      void client.invalidateQueries({ queryKey: ["organisations"] });
      useSession.setState({ user });
      setTyped(null);
      toast.done(`You are called ${user.name} now`);
    },
  });
  const problem = save.error ? asProblem(save.error) : undefined;
  const empty = name.trim() === "" ? "Write what others shall call you." : undefined;
  const changed = name.trim() !== saved;
  return (
    <Plate title="Name">
      <form
        noValidate
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (changed && !empty && !save.isPending) save.mutate();
        }}
      >
        <TextField
          label="Name"
          hideLabel
          autoComplete="name"
          maxLength={80}
          value={name}
          hint="Members of your organisations see it."
          error={empty ?? problem?.field("name")}
          onChange={(event) => setTyped(event.target.value)}
        />
        {problem?.beside("name") ? <Problem compact error={problem} /> : null}
        <SaveRow
          changed={changed}
          fit={!empty}
          busy={save.isPending}
          onDiscard={() => setTyped(null)}
        />
      </form>
    </Plate>
  );
}

function Data() {
  const take = useMutation({
    mutationFn: exportMe,
    onSuccess: (data) => {
      const text = JSON.stringify(data, null, 2);
      saveFile("slipway-my-data.json", new Blob([text], { type: "application/json" }));
      toast.done("Your data is exported");
    },
  });
  return (
    <Plate title="Your data">
      <div className="flex flex-wrap items-center justify-between gap-4">
        <p className="min-w-0 flex-1 basis-72 text-sm text-ink-2">
          Everything that is kept about you, as JSON: account, ways to sign in, sessions,
          memberships, tokens without their secrets.
        </p>
        <Button icon={Download} busy={take.isPending} onClick={() => take.mutate()}>
          Export my data
        </Button>
      </div>
      {take.error ? (
        <Problem compact error={take.error} retry={() => take.mutate()} className="mt-4" />
      ) : null}
    </Plate>
  );
}

function Danger({ email }: { email: string }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => deleteMe(email),
    onSuccess: async () => {
      navigate("/", { replace: true });
      await signOut();
      useOrganisation.getState().choose(null);
      forgetAnswers();
      client.clear();
      toast.done("Your account is deleted");
    },
  });
  return (
    <DangerZone
      title="Delete your account"
      told="Your own agents stop and are gone, with your tokens, sessions and everything kept about you. What you made in organisations with others stays with them."
      action="Delete account"
      question="Delete your account?"
      phrase={email}
      warning="This happens at once and cannot be undone. Export your data first if you want it."
      busy={remove.isPending}
      onConfirm={() => remove.mutateAsync()}
    >
      {remove.error ? <Problem compact error={remove.error} className="mx-4 mb-4" /> : null}
    </DangerZone>
  );
}
