/** What an agent is called and who sees it, how its manifest runs it, and its end. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";
import { type AgentChange, agentKeys, agentQuery, changeAgent, deleteAgent } from "@/api/agents";
import { CATEGORIES } from "@/api/categories";
import { deploymentQuery } from "@/api/deployments";
import { asProblem } from "@/api/problem";
import type { AgentDetail, Category, Visibility } from "@/api/types";
import { versionQuery, versionsQuery } from "@/api/versions";
import { Button } from "@/components/button";
import { CodeBlock } from "@/components/copy";
import { ConfirmDialog } from "@/components/dialog";
import { SelectField, TextArea, TextField } from "@/components/field";
import { Facts, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { SkeletonRows } from "@/components/skeleton";
import { toast } from "@/components/toast";
import { toYaml } from "@/components/yaml";
import { useAgent } from "./agent";

export function Settings() {
  const agent = useAgent();
  return (
    <div className="max-w-3xl space-y-5">
      <General key={agent.id} agent={agent} />
      <Running agent={agent} />
      <Danger agent={agent} />
    </div>
  );
}

const VISIBILITIES: Record<Visibility, string> = {
  private: "Private: only you and whom you let in",
  organisation: "Organisation: everybody in it",
  public: "Public: everybody, in the marketplace",
};
const NAMES = {
  name: "Name",
  description: "Description",
  category: "Category",
  visibility: "Seen by",
};
type Field = keyof typeof NAMES;
const FIELDS = Object.keys(NAMES) as Field[];
type Values = Pick<AgentDetail, Field>;

const valuesOf = ({ name, description, category, visibility }: AgentDetail): Values => ({
  name,
  description,
  category,
  visibility,
});

function General({ agent }: { agent: AgentDetail }) {
  const client = useQueryClient();
  const [base, setBase] = useState(agent);
  const [values, setValues] = useState<Values>(() => valuesOf(agent));
  const [theirs, setTheirs] = useState<AgentDetail>();
  const changed = FIELDS.filter((field) => values[field] !== base[field]);
  useEffect(() => {
    if (changed.length === 0 && agent.revision > base.revision) {
      setBase(agent);
      setValues(valuesOf(agent));
    }
  }, [agent, base.revision, changed.length]);
  const save = useMutation({
    mutationFn: ({ revision, fields }: { revision: number; fields: Field[] }) =>
      changeAgent(
        agent.id,
        Object.fromEntries(fields.map((field) => [field, values[field]])) as AgentChange,
        revision,
      ),
    onSuccess: (saved) => {
      const next = { ...agent, ...saved };
      client.setQueryData(agentKeys.one(agent.id), next);
      void client.invalidateQueries({ queryKey: agentKeys.list });
      setBase(next);
      setValues(valuesOf(next));
      setTheirs(undefined);
      toast.done("Settings saved");
    },
    onError: async (error) => {
      if (asProblem(error).status !== 412 && asProblem(error).code !== "changed_meanwhile") return;
      setTheirs(await client.fetchQuery({ ...agentQuery(agent.id), staleTime: 0 }));
    },
  });
  const set = <F extends Field>(field: F, value: Values[F]) =>
    setValues((now) => ({ ...now, [field]: value }));
  const problem = save.error && !theirs ? asProblem(save.error) : undefined;
  const fault = (field: Field) =>
    problem?.field(field) ??
    (field === "name" && values.name.trim() === "" ? "An agent needs a name." : undefined);
  const general = problem && problem.fields.length === 0 && problem.status !== 412;
  return (
    <Plate title="General">
      <form
        className="space-y-4"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (changed.length > 0 && values.name.trim() !== "") {
            save.mutate({ revision: base.revision, fields: changed });
          }
        }}
      >
        <TextField
          label="Name"
          value={values.name}
          maxLength={80}
          error={fault("name")}
          onChange={(event) => set("name", event.target.value)}
        />
        <TextArea
          label="Description"
          optional
          rows={3}
          maxLength={2000}
          value={values.description}
          error={fault("description")}
          onChange={(event) => set("description", event.target.value)}
        />
        <div className="grid gap-4 sm:grid-cols-2">
          <SelectField
            label="Category"
            value={values.category}
            error={fault("category")}
            onChange={(event) => set("category", event.target.value as Category)}
          >
            {Object.entries(CATEGORIES).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </SelectField>
          <SelectField
            label="Seen by"
            value={values.visibility}
            error={fault("visibility")}
            hint={
              <>
                The marketplace shows it once it is{" "}
                <Link to={`/agents/${agent.id}/listing`} className="text-sea underline">
                  published
                </Link>
                .
              </>
            }
            onChange={(event) => set("visibility", event.target.value as Visibility)}
          >
            {Object.entries(VISIBILITIES)
              // Public it becomes by being published, in no other way.
              .filter(([value]) => value !== "public" || base.visibility === "public")
              .map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
          </SelectField>
        </div>
        {general ? <Problem compact error={problem} /> : null}
        {theirs ? (
          <BothSides
            mine={values}
            theirs={theirs}
            fields={changed}
            busy={save.isPending}
            onMine={() => save.mutate({ revision: theirs.revision, fields: changed })}
            onTheirs={() => {
              setBase(theirs);
              setValues(valuesOf(theirs));
              setTheirs(undefined);
              save.reset();
            }}
          />
        ) : (
          <div className="flex justify-end gap-2">
            {changed.length > 0 ? (
              <Button variant="quiet" onClick={() => setValues(valuesOf(base))}>
                Discard
              </Button>
            ) : null}
            <Button
              type="submit"
              variant="primary"
              disabled={changed.length === 0}
              busy={save.isPending}
            >
              Save
            </Button>
          </div>
        )}
      </form>
    </Plate>
  );
}

function BothSides({
  mine,
  theirs,
  fields,
  busy,
  onMine,
  onTheirs,
}: {
  mine: Values;
  theirs: AgentDetail;
  fields: Field[];
  busy: boolean;
  onMine: () => void;
  onTheirs: () => void;
}) {
  return (
    <section
      role="alert"
      aria-label="Somebody saved while you were editing"
      className="rounded border border-lantern/50 border-l-4 border-l-lantern bg-lantern-wash p-4 text-sm"
    >
      <p className="font-[620]">Somebody saved while you were editing</p>
      <table className="mt-2 w-full table-fixed">
        <thead className="text-left text-xs text-ink-2">
          <tr>
            <td className="w-24" />
            <th scope="col" className="py-1 pr-3 font-[560]">
              Yours
            </th>
            <th scope="col" className="py-1 font-[560]">
              Theirs
            </th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr key={field} className="align-top">
              <th scope="row" className="py-1 text-left font-normal text-ink-2">
                {NAMES[field]}
              </th>
              <td className="py-1 pr-3 break-words">{mine[field] || "–"}</td>
              <td className="py-1 break-words">{theirs[field] || "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div className="mt-3 flex flex-wrap justify-end gap-2">
        <Button size="sm" onClick={onTheirs}>
          Take theirs
        </Button>
        <Button size="sm" variant="primary" busy={busy} onClick={onMine}>
          Save mine
        </Button>
      </div>
    </section>
  );
}

/** Resources, sleep and health live in the source: shown as read, with the lines that change them. */
function Running({ agent }: { agent: AgentDetail }) {
  const serving = agent.environments?.find(({ name }) => name === "production")?.serving;
  const current = useQuery({ ...deploymentQuery(serving ?? ""), enabled: Boolean(serving) });
  const list = useInfiniteQuery({ ...versionsQuery(agent.id), enabled: !serving });
  const newest = list.data?.pages[0]?.items.find((one) => one.plan !== null);
  const id = current.data?.version_id ?? newest?.id;
  const version = useQuery({ ...versionQuery(agent.id, id ?? ""), enabled: id !== undefined });
  const loading = current.isLoading || list.isLoading || version.isLoading;
  const { plan, manifest } = version.data ?? {};
  const resources = {
    cpu: 1,
    memory_mb: 512,
    replicas: 1,
    sleep: false,
    ...(manifest?.resources ?? {}),
  };
  const lines = {
    resources,
    health: {
      path: plan?.health_path ?? "/",
      timeout_seconds: plan?.health_timeout_seconds ?? 60,
    },
  };
  return (
    <Plate
      title="How it runs"
      note={version.data ? `as version ${version.data.number} says` : undefined}
    >
      {loading ? (
        <SkeletonRows rows={4} height="h-8" />
      ) : (
        <div className="grid gap-5 sm:grid-cols-2">
          <div>
            <Facts
              items={[
                ["Processor", `${resources.cpu} ${resources.cpu === 1 ? "core" : "cores"}`],
                ["Memory", `${resources.memory_mb} MB`],
                ["Copies", resources.replicas],
                ["Sleeps", resources.sleep ? "when nobody calls it" : "never"],
                [
                  "Health",
                  plan?.health_path ? (
                    <code key="h">{String(plan.health_path)}</code>
                  ) : (
                    "any answer on /"
                  ),
                ],
                ["Port", plan?.port ? String(plan.port) : <code key="p">$PORT</code>],
              ]}
            />
          </div>
          <div className="min-w-0 text-sm">
            <p className="text-ink-2">
              {id
                ? "To change this, write these lines in agent.yaml at the root of the source, and deploy it as a new version:"
                : "Once there is a version, its manifest says this. In agent.yaml at the root of the source:"}
            </p>
            <CodeBlock text={toYaml(lines)} label="Copy the lines" className="mt-2" />
          </div>
        </div>
      )}
    </Plate>
  );
}

function Danger({ agent }: { agent: AgentDetail }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: () => deleteAgent(agent.id),
    onSuccess: () => {
      navigate("/agents", { replace: true });
      client.removeQueries({ queryKey: agentKeys.one(agent.id) });
      void client.invalidateQueries({ queryKey: agentKeys.list });
      toast.done(`${agent.name} is deleted`);
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
          <h2 className="text-base text-port">Delete this agent</h2>
          <p className="mt-0.5 text-sm text-ink-2">
            Everything that runs of it stops at once. Its versions, logs and variables are gone, and
            its address is given up.
          </p>
        </div>
        <Button variant="danger" onClick={() => setAsking(true)}>
          Delete agent
        </Button>
      </div>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Delete ${agent.name}?`}
        action="Delete it"
        phrase={agent.slug}
        busy={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        <p>This stops it everywhere and cannot be undone.</p>
      </ConfirmDialog>
    </section>
  );
}
