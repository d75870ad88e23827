/** The second step: what was inferred and from what, to be confirmed or changed before it is built. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Rocket } from "lucide-react";
import { useMemo, useState } from "react";
import { agentKeys } from "@/api/agents";
import { api } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import type { AgentDetail, Version } from "@/api/types";
import { variablesQuery } from "@/api/variables";
import { versionKeys } from "@/api/versions";
import { Button } from "@/components/button";
import { parseEnv, soundsSecret } from "@/components/dotenv";
import { CheckField, TextArea, TextField } from "@/components/field";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Prose } from "@/components/prose";
import { runtimeName } from "@/components/runtime";
import { Light } from "@/components/status";
import { bytes } from "@/components/time";
import { Evidence } from "./evidence";
import {
  FIELDS,
  type FieldName,
  isObject,
  type Manifest,
  read,
  sleeps,
  wantedVariables,
  withSleep,
  write,
} from "./manifest";
import { useShipment } from "./shipment";
import { useDraft } from "./use-draft";
import { type Entered, VariableFields } from "./variable-fields";

export function Confirm({ agent, version }: { agent: AgentDetail; version: Version }) {
  const queries = useQueryClient();
  const told = (version.manifest ?? {}) as Manifest;
  const plan = (version.plan ?? {}) as Manifest;
  const runtime = String(told.runtime ?? plan.runtime ?? "");
  const [draft, setDraft] = useDraft(`confirm ${version.id}`, { name: agent.name, manifest: told });
  const [json, setJson] = useState<string | null>(null);
  const existing = useQuery(variablesQuery(agent.id, "production"));
  const { gathered, versionId } = useShipment();
  const dropped = useMemo(
    () => parseEnv(versionId === version.id ? (gathered?.env ?? "") : ""),
    [gathered, versionId, version.id],
  );
  const [entered, setEntered] = useState(() => rowsOf(told, plan, dropped));
  const launch = useMutation({
    mutationFn: async () => {
      const manifest = json === null ? draft.manifest : parsed(json);
      if (draft.name.trim() !== agent.name) {
        await rename(agent.id, draft.name);
        queries.invalidateQueries({ queryKey: agentKeys.one(agent.id), exact: true });
      }
      await saveVariables(agent.id, entered);
      const changed = JSON.stringify(manifest) !== JSON.stringify(told);
      return api.post("/agents/{agent_id}/versions/{version_id}/build", {
        path: { agent_id: agent.id, version_id: version.id },
        body: changed ? { manifest } : {},
      });
    },
    onSuccess: (built) => {
      queries.setQueryData(versionKeys.one(agent.id, version.id), built);
      queries.invalidateQueries({ queryKey: agentKeys.list });
    },
  });
  const problem = launch.error instanceof ApiProblem ? launch.error : null;
  const field = (name: FieldName) => ({
    value: read(draft.manifest, name),
    error: problem?.field(FIELDS[name].path.join(".")),
    onChange: (event: { target: { value: string } }) =>
      setDraft({ ...draft, manifest: write(draft.manifest, name, event.target.value) }),
    hint: <Evidence inferred={version.inferred} names={FIELDS[name].inferred} />,
    disabled: json !== null,
  });
  const missing = entered.filter(
    (one) =>
      one.required && !one.value && !existing.data?.items.some((set) => set.name === one.name),
  );
  return (
    <form
      className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_19rem]"
      onSubmit={(event) => {
        event.preventDefault();
        if (!launch.isPending) launch.mutate();
      }}
    >
      <div className="min-w-0 space-y-5">
        {launch.error ? <Refusal error={launch.error} /> : null}
        <Plate title="What it is" note={runtimeName(runtime)}>
          <div className="grid gap-4 sm:grid-cols-2">
            <div className="sm:col-span-2">
              <TextField
                label="Name"
                required
                maxLength={80}
                value={draft.name}
                error={problem?.field("name")}
                onChange={(event) => setDraft({ ...draft, name: event.target.value })}
              />
            </div>
            <div className="sm:col-span-2">
              {runtime === "static" ? (
                <TextField
                  label="Folder that is served"
                  className="font-mono"
                  placeholder="the top"
                  {...field("output")}
                />
              ) : (
                <TextField
                  label="Start command"
                  className="font-mono"
                  spellCheck={false}
                  {...field("start")}
                />
              )}
            </div>
            <div className="sm:col-span-2">
              <TextField
                label="Build command"
                optional
                className="font-mono"
                spellCheck={false}
                placeholder="dependencies are installed anyway"
                {...field("build")}
              />
            </div>
          </div>
          <details className="mt-4 border-t border-line pt-3">
            <summary className="text-sm font-[560]">Health, port, memory, sleep</summary>
            <div className="mt-4 grid gap-4 sm:grid-cols-3">
              <TextField
                label="Health path"
                optional
                placeholder="/"
                className="font-mono"
                {...field("health")}
              />
              <TextField
                label="Port"
                optional
                placeholder="$PORT"
                inputMode="numeric"
                className="font-mono"
                {...field("port")}
              />
              <TextField
                label="Memory in MB"
                optional
                placeholder="512"
                inputMode="numeric"
                {...field("memory")}
              />
              <div className="sm:col-span-3">
                <CheckField
                  label="Sleeps while nobody calls it"
                  hint="It costs less, and the first call after a pause waits for the start."
                  checked={sleeps(draft.manifest)}
                  disabled={json !== null}
                  onChange={(event) =>
                    setDraft({
                      ...draft,
                      manifest: withSleep(draft.manifest, event.target.checked),
                    })
                  }
                />
              </div>
            </div>
          </details>
          <details
            className="mt-3 border-t border-line pt-3"
            onToggle={(event) => {
              if (!event.currentTarget.open) return;
              if (json === null) setJson(JSON.stringify(draft.manifest, null, 2));
            }}
          >
            <summary className="text-sm font-[560]">The whole manifest, as JSON</summary>
            <div className="mt-3 space-y-2">
              <TextArea
                label="Manifest"
                hideLabel
                rows={12}
                spellCheck={false}
                className="font-mono"
                value={json ?? ""}
                onChange={(event) => setJson(event.target.value)}
                error={json === null ? undefined : jsonFault(json)}
                hint="While this is open it is what counts; the fields above rest."
              />
              <Button
                size="sm"
                onClick={(event) => {
                  if (json !== null && !jsonFault(json)) {
                    setDraft({ ...draft, manifest: parsed(json) });
                  }
                  setJson(null);
                  event.currentTarget.closest("details")?.removeAttribute("open");
                }}
              >
                Take this over
              </Button>
            </div>
          </details>
        </Plate>
        <VariableFields
          entered={entered}
          existing={existing.data?.items ?? []}
          onChange={setEntered}
        />
      </div>
      <aside className="space-y-4 lg:sticky lg:top-20">
        <Plate>
          <Button
            type="submit"
            variant="primary"
            size="lg"
            icon={Rocket}
            busy={launch.isPending}
            disabled={json !== null && jsonFault(json) !== undefined}
            className="w-full"
          >
            Launch
          </Button>
          <p className="mt-3 text-sm text-ink-2">
            It is scanned, built, tested and released; then its address answers.
          </p>
          {missing.length > 0 ? (
            <p className="mt-3 flex gap-2 text-sm">
              <Light tone="warning" className="mt-1" />
              <span>Without {missing.map((one) => one.name).join(", ")} it will not start.</span>
            </p>
          ) : null}
        </Plate>
        <Source version={version} />
      </aside>
    </form>
  );
}

function Source({ version }: { version: Version }) {
  const { gathered, versionId } = useShipment();
  const mine = versionId === version.id ? gathered : null;
  return (
    <div className="space-y-3 px-1 text-sm">
      <p>
        <span className="font-[560] break-words">{version.source.filename}</span>
        <span className="figures text-ink-2">
          {mine && mine.files.length > 0 ? ` ${mine.files.length.toLocaleString("en")} files,` : ""}{" "}
          {version.source.size ? bytes(version.source.size) : ""}
        </span>
      </p>
      {mine && mine.leftOut.size > 0 ? (
        <p className="text-ink-2">
          Left out: {leftOutNames(mine.leftOut)}.
          {mine.env ? " The values of .env are filled in as variables." : ""}
        </p>
      ) : null}
      {version.warnings.length > 0 ? (
        <ul className="space-y-2">
          {version.warnings.map((warning) => (
            <li key={`${warning.code} ${warning.detail}`} className="flex gap-2">
              <Light tone="warning" className="mt-1" />
              <span className="min-w-0 break-words">
                <Prose text={warning.detail} />
                {warning.file ? (
                  <code className="text-ink-2">
                    {" "}
                    {warning.file}
                    {warning.line ? `:${warning.line}` : ""}
                  </code>
                ) : null}
              </span>
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}

function leftOutNames(leftOut: Map<string, number>): string {
  const names = [...leftOut.keys()].filter((name) => name !== ".gitignore").slice(0, 8);
  return [...names, ...(leftOut.has(".gitignore") ? ["what .gitignore names"] : [])].join(", ");
}

/** Faults of fields that the form does not show are listed; the others stand at their fields. */
function Refusal({ error }: { error: unknown }) {
  const fields = error instanceof ApiProblem ? error.fields : [];
  return (
    <Problem
      error={error}
      action={
        fields.length > 0 ? (
          <ul className="w-full list-disc pl-5">
            {fields.map((fault) => (
              <li key={fault.field}>
                <code>{fault.field}</code>: {fault.detail}
              </li>
            ))}
          </ul>
        ) : undefined
      }
    />
  );
}

/** What the source asks for, filled from a dropped `.env`, and whatever else that file holds. */
function rowsOf(told: Manifest, plan: Manifest, dropped: Map<string, string>): Entered[] {
  const wanted = wantedVariables(told, plan, soundsSecret);
  const others = [...dropped.keys()]
    .filter((name) => !wanted.some((one) => one.name === name))
    .map((name) => ({
      name,
      secret: soundsSecret(name),
      required: false,
      description: "",
      fallback: "",
    }));
  return [...wanted, ...others].map((one) => ({
    ...one,
    id: one.name,
    value: dropped.get(one.name) ?? "",
  }));
}

/** The platform itself writes to an agent while its source is read: the newest revision counts. */
async function rename(agentId: string, name: string): Promise<void> {
  const path = { agent_id: agentId };
  const { revision } = await api.get("/agents/{agent_id}", { path });
  await api.patch("/agents/{agent_id}", { path, body: { name }, ifMatch: revision });
}

async function saveVariables(agentId: string, entered: Entered[]): Promise<void> {
  const given = entered.filter((one) => one.name && one.value !== "");
  if (given.length === 0) return;
  const path = { agent_id: agentId, environment: "production" };
  const { items, revision } = await api.get(
    "/agents/{agent_id}/environments/{environment}/variables",
    { path },
  );
  const kept = items
    .filter((item) => !given.some((one) => one.name === item.name))
    // A secret that is sent without a value keeps the one it has.
    .map(({ name, value, secret }) => (secret ? { name, secret } : { name, value, secret }));
  await api.put("/agents/{agent_id}/environments/{environment}/variables", {
    path,
    body: {
      items: [...kept, ...given.map(({ name, value, secret }) => ({ name, value, secret }))],
    },
    ifMatch: revision,
  });
}

function parsed(text: string): Manifest {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) throw new Error("The manifest is an object: { … }.");
  return value;
}

function jsonFault(text: string): string | undefined {
  try {
    parsed(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
