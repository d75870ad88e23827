/** What an agent is called and who sees it, how its manifest runs it, and its end. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "react-router";
import { type AgentChange, agentKeys, agentQuery, changeAgent, deleteAgent } from "@/api/agents";
import { CATEGORIES } from "@/api/categories";
import { deploymentQuery } from "@/api/deployments";
import { useEdit } from "@/api/edit";
import type { AgentDetail, Category, Visibility } from "@/api/types";
import { versionQuery, versionsQuery } from "@/api/versions";
import { CodeBlock } from "@/components/copy";
import { DangerZone } from "@/components/danger-zone";
import { BothSides, SaveRow } from "@/components/edit-form";
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
  visibility: "Visible to",
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

function differ(before: Values, now: Values): Field[] {
  return FIELDS.filter((field) => now[field] !== before[field]);
}

function General({ agent }: { agent: AgentDetail }) {
  const client = useQueryClient();
  const edit = useEdit<AgentDetail, Values>({
    saved: agent,
    valuesOf,
    differ,
    write: async (values, fields, revision) => {
      const change = Object.fromEntries(fields.map((field) => [field, values[field]]));
      return { ...agent, ...(await changeAgent(agent.id, change as AgentChange, revision)) };
    },
    read: () => client.fetchQuery({ ...agentQuery(agent.id), staleTime: 0 }),
    onSaved: (saved) => {
      client.setQueryData(agentKeys.one(agent.id), saved);
      void client.invalidateQueries({ queryKey: agentKeys.list });
      toast.done("Settings saved");
    },
  });
  const { values, set, fields, problem, theirs } = edit;
  const named = values.name.trim() !== "";
  const beside = problem?.beside(...FIELDS);
  const fault = (field: Field) =>
    problem?.field(field) ?? (field === "name" && !named ? "An agent needs a name." : undefined);
  return (
    <Plate title="General">
      <form
        className="space-y-4"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (fields.length > 0 && named) edit.save();
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
            label="Visible to"
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
              .filter(([value]) => value !== "public" || edit.base.visibility === "public")
              .map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
          </SelectField>
        </div>
        {beside ? <Problem compact error={beside} /> : null}
        {theirs ? (
          <BothSides busy={edit.busy} onMine={edit.saveMine} onTheirs={edit.takeTheirs}>
            <Compared mine={values} theirs={theirs} fields={fields} />
          </BothSides>
        ) : (
          <SaveRow
            changed={fields.length > 0}
            fit={named}
            busy={edit.busy}
            onDiscard={edit.discard}
          />
        )}
      </form>
    </Plate>
  );
}

function Compared({ mine, theirs, fields }: { mine: Values; theirs: Values; fields: Field[] }) {
  return (
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
  const steps = [current, list, version];
  const loading = steps.some((one) => one.isLoading);
  const failed = steps.find((one) => one.isError && !one.data);
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
      ) : failed ? (
        <Problem compact error={failed.error} retry={() => failed.refetch()} />
      ) : (
        <div className="grid gap-5 sm:grid-cols-2">
          <div>
            <Facts
              items={[
                ["Processor", `${resources.cpu} ${resources.cpu === 1 ? "core" : "cores"}`],
                ["Memory", `${resources.memory_mb} MB`],
                ["Instances", resources.replicas],
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
  const remove = useMutation({
    mutationFn: () => deleteAgent(agent.id),
    onSuccess: () => {
      navigate("/agents", { replace: true });
      client.removeQueries({ queryKey: agentKeys.one(agent.id) });
      void client.invalidateQueries({ queryKey: agentKeys.list });
      toast.done(`${agent.name} is deleted`);
    },
    onError: (error) => toast.failed(error),
  });
  return (
    <DangerZone
      title="Delete this agent"
      told="Everything that runs of it stops at once. Its versions, logs and variables are gone, and its address is given up."
      action="Delete agent"
      question={`Delete ${agent.name}?`}
      phrase={agent.slug}
      warning="This stops it everywhere and cannot be undone."
      busy={remove.isPending}
      onConfirm={() => remove.mutateAsync()}
    />
  );
}
