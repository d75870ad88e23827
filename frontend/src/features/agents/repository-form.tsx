/** Which repository, branch and folder an agent follows, and what it does with a push. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useMay } from "@/api/permissions";
import { asProblem } from "@/api/problem";
import {
  branchesQuery,
  connect,
  githubQuery,
  type RepositoryWish,
  repositoriesQuery,
  repositoryKeys,
  startInstallation,
} from "@/api/repositories";
import { isRepositoryName, repositoryName } from "@/api/repository-name";
import type { RepositoryConnection } from "@/api/types";
import { Button } from "@/components/button";
import { CheckField, SelectField, TextArea, TextField } from "@/components/field";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";

interface Values {
  repository: string;
  installation: number | null;
  branch: string;
  root: string;
  watch: string;
  autoDeploy: boolean;
  waitForChecks: boolean;
  previews: boolean;
}

const NEW: Values = {
  repository: "",
  installation: null,
  branch: "",
  root: "",
  watch: "",
  autoDeploy: true,
  waitForChecks: false,
  previews: false,
};
const valuesOf = (before: RepositoryConnection): Values => ({
  repository: before.repository,
  installation: before.installation_id,
  branch: before.branch,
  root: before.root,
  watch: before.watch.join("\n"),
  autoDeploy: before.auto_deploy,
  waitForChecks: before.wait_for_checks,
  previews: before.previews === "on",
});
const FIELDS = ["repository", "branch", "root", "watch"];
const wishOf = (values: Values): RepositoryWish => ({
  repository: repositoryName(values.repository),
  installation_id: values.installation,
  branch: values.branch.trim() || null,
  root: values.root.trim(),
  watch: values.watch.split("\n").flatMap((line) => line.trim() || []),
  auto_deploy: values.autoDeploy,
  wait_for_checks: values.waitForChecks,
  previews: values.previews ? "on" : "off",
});

export function RepositoryForm({
  agentId,
  before,
  onConnected,
}: {
  agentId: string;
  before: RepositoryConnection | null;
  onConnected?: (made: RepositoryConnection) => void;
}) {
  const client = useQueryClient();
  const [values, setValues] = useState<Values>(() => (before ? valuesOf(before) : NEW));
  const [missing, setMissing] = useState(false);
  const set = <K extends keyof Values>(name: K, value: Values[K]) =>
    setValues((now) => ({ ...now, [name]: value }));
  const save = useMutation({
    mutationFn: () => connect(agentId, wishOf(values), before?.revision),
    onSuccess: (made) => {
      onConnected?.(made);
      client.setQueryData(repositoryKeys.of(agentId), made);
      toast.done(before ? "Saved" : `Connected to ${made.repository}`);
    },
  });
  const problem = save.error ? asProblem(save.error) : undefined;
  // Through what it is connected is chosen once; a fault of it is told below, later.
  const beside = problem?.beside(...FIELDS, ...(before ? [] : ["installation_id"]));
  const named = isRepositoryName(repositoryName(values.repository));
  const same =
    before !== null && JSON.stringify(wishOf(values)) === JSON.stringify(wishOf(valuesOf(before)));
  return (
    <form
      className="space-y-4"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setMissing(!named);
        if (named && !same) save.mutate();
      }}
    >
      {before ? null : (
        <Through
          value={values.installation}
          error={problem?.field("installation_id")}
          onChange={(id) => set("installation", id)}
        />
      )}
      <RepositoryField
        value={values.repository}
        installation={values.installation}
        error={
          problem?.field("repository") ??
          (missing && !named ? "Name it as owner/name, or paste its address." : undefined)
        }
        onChange={(text) => set("repository", text)}
      />
      <BranchField
        repository={named ? repositoryName(values.repository) : ""}
        installation={values.installation}
        value={values.branch}
        error={problem?.field("branch")}
        onChange={(text) => set("branch", text)}
      />
      <TextField
        label="Folder"
        optional
        hint="Where the agent lies, if the repository holds more than one thing."
        placeholder="agents/echo"
        spellCheck={false}
        value={values.root}
        error={problem?.field("root")}
        onChange={(event) => set("root", event.target.value)}
      />
      <TextArea
        label="Watched paths"
        optional
        rows={3}
        hint="One pattern per line, as in a .gitignore. Without any, the folder is watched."
        placeholder={"agents/echo/**\n!**/*.md"}
        spellCheck={false}
        value={values.watch}
        error={problem?.field("watch")}
        onChange={(event) => set("watch", event.target.value)}
      />
      <div className="space-y-2.5">
        <CheckField
          label="Deploy each push to the branch"
          checked={values.autoDeploy}
          onChange={(event) => set("autoDeploy", event.target.checked)}
        />
        <CheckField
          label="Wait for the commit's other checks"
          hint="It is deployed when they have passed."
          checked={values.waitForChecks}
          onChange={(event) => set("waitForChecks", event.target.checked)}
        />
        <CheckField
          label="A preview for each pull request"
          hint="With the variables of the environment “preview”, never production's."
          checked={values.previews}
          onChange={(event) => set("previews", event.target.checked)}
        />
      </div>
      {beside ? (
        <Problem
          compact
          error={beside}
          {...(beside.status === 412
            ? { retry: () => client.invalidateQueries({ queryKey: repositoryKeys.of(agentId) }) }
            : {})}
        />
      ) : null}
      <div className="flex justify-end">
        <Button type="submit" variant="primary" disabled={same} busy={save.isPending}>
          {before ? "Save" : "Connect"}
        </Button>
      </div>
    </form>
  );
}

/** The app where it is installed, or a webhook for a public repository. */
function Through({
  value,
  error,
  onChange,
}: {
  value: number | null;
  error: string | undefined;
  onChange: (id: number | null) => void;
}) {
  const may = useMay();
  const github = useQuery(githubQuery);
  const install = useMutation({
    mutationFn: startInstallation,
    onSuccess: ({ address }) => {
      sessionStorage.setItem("slipway.installing", window.location.pathname);
      window.location.assign(address);
    },
    onError: (error) => toast.failed(error),
  });
  const { app = false, items = [] } = github.data ?? {};
  return (
    <div className="space-y-2">
      {github.error ? (
        <Problem compact error={github.error} retry={() => github.refetch()} />
      ) : null}
      <SelectField
        label="Through"
        value={value ?? ""}
        error={error}
        hint={
          value === null
            ? "For public repositories. GitHub is given an address and a secret; nothing is reported back there."
            : "Private repositories too; checks, deployments and comments are reported back to GitHub."
        }
        onChange={({ target }) => onChange(target.value ? Number(target.value) : null)}
      >
        <option value="">a webhook of its own</option>
        {items
          .filter((one) => !one.suspended)
          .map((one) => (
            <option key={one.installation_id} value={one.installation_id}>
              the app, at {one.account}
            </option>
          ))}
      </SelectField>
      {app && may("installation:manage") ? (
        <Button size="sm" busy={install.isPending} onClick={() => install.mutate()}>
          Install the app at GitHub
        </Button>
      ) : null}
    </div>
  );
}

function RepositoryField({
  value,
  installation,
  error,
  onChange,
}: {
  value: string;
  installation: number | null;
  error: string | undefined;
  onChange: (text: string) => void;
}) {
  const list = useId();
  const found = useQuery({
    ...repositoriesQuery(installation ?? 0, repositoryName(value)),
    enabled: installation !== null,
    placeholderData: (before) => before,
  });
  return (
    <>
      <TextField
        label="Repository"
        placeholder="owner/name"
        list={list}
        autoComplete="off"
        spellCheck={false}
        maxLength={255}
        value={value}
        error={error}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={list}>
        {(found.data?.items ?? [])
          .filter((one) => !one.archived)
          .map((one) => (
            <option key={one.id} value={one.full_name} />
          ))}
      </datalist>
      {found.error ? <Problem compact error={found.error} retry={() => found.refetch()} /> : null}
    </>
  );
}

function BranchField({
  repository,
  installation,
  value,
  error,
  onChange,
}: {
  repository: string;
  installation: number | null;
  value: string;
  error: string | undefined;
  onChange: (text: string) => void;
}) {
  const list = useId();
  // Asked for when somebody goes there: each letter of a name would be another repository.
  const [near, setNear] = useState(false);
  const found = useQuery({
    ...branchesQuery(repository, installation),
    enabled: near && repository !== "",
    retry: false,
  });
  const standard = found.data?.repository.default_branch;
  return (
    <>
      <TextField
        label="Branch"
        optional
        list={list}
        autoComplete="off"
        spellCheck={false}
        maxLength={255}
        placeholder={standard ?? "the repository's own choice"}
        value={value}
        error={error ?? (found.error ? asProblem(found.error).detail : undefined)}
        onFocus={() => setNear(true)}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={list}>
        {(found.data?.items ?? []).map((one) => (
          <option key={one.name} value={one.name} />
        ))}
      </datalist>
    </>
  );
}
