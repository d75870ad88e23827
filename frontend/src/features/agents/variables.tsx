/** The variables of an environment, edited together: plain and secret, pasted from a .env file. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ClipboardPaste, Plus } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useBlocker, useNavigate } from "react-router";
import { newIdempotencyKey } from "@/api/client";
import { deploy, deploymentQuery } from "@/api/deployments";
import { asProblem } from "@/api/problem";
import type { AgentDetail } from "@/api/types";
import { putVariables, variableKeys, variablesQuery } from "@/api/variables";
import { versionsQuery } from "@/api/versions";
import { Button } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { parseEnv, soundsSecret } from "@/components/dotenv";
import { Empty } from "@/components/empty";
import { SelectField } from "@/components/field";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { toast } from "@/components/toast";
import { useSearch } from "@/components/use-search";
import { useAgent } from "./agent";
import { Conflict } from "./variables-conflict";
import { countChanges, type Draft, draftsOf, nameFault, newKey, wantedOf } from "./variables-merge";
import { PasteDialog } from "./variables-paste";
import { VariableRow } from "./variables-row";

interface Read {
  items: { name: string; value: string | null; secret: boolean }[];
  revision: number;
}

export function Variables() {
  const agent = useAgent();
  const [search, setSearch] = useSearch();
  const environment = search.get("environment") ?? "production";
  const names = [
    ...new Set(["production", ...(agent.environments ?? []).map(({ name }) => name), environment]),
  ];
  const query = useQuery({
    ...variablesQuery(agent.id, environment),
    // What is being edited must not change under the hands.
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    staleTime: 0,
  });
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-end justify-between gap-3">
        <p className="max-w-2xl text-sm text-ink-2">
          The agent reads these from its environment. A change takes effect with the next
          deployment; what runs now keeps what it was deployed with.
        </p>
        {names.length > 1 ? (
          <SelectField
            label="Environment"
            value={environment}
            onChange={(event) => setSearch({ environment: event.target.value })}
          >
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </SelectField>
        ) : null}
      </div>
      <QueryView
        query={query}
        loading={
          <Plate flush>
            <SkeletonRows rows={4} />
          </Plate>
        }
      >
        {(read) => <Editor key={environment} agent={agent} environment={environment} read={read} />}
      </QueryView>
    </div>
  );
}

function Editor({
  agent,
  environment,
  read,
}: {
  agent: AgentDetail;
  environment: string;
  read: Read;
}) {
  const client = useQueryClient();
  const navigate = useNavigate();
  // What the drafts were made from; a newer answer in the cache does not replace what is typed.
  const [base, setBase] = useState(read);
  const [drafts, setDrafts] = useState<Draft[]>(() => draftsOf(read.items));
  const [theirs, setTheirs] = useState<Read>();
  const [pasting, setPasting] = useState(false);
  const [tried, setTried] = useState(false);
  const [focus, setFocus] = useState<string>();
  const changes = countChanges(base.items, drafts);
  const faults = drafts.map((draft) => nameFault(draft, drafts));
  const faulty = faults.some(Boolean);

  useEffect(() => {
    if (changes === 0 && read.revision > base.revision) {
      setBase(read);
      setDrafts(draftsOf(read.items));
    }
  }, [read, base.revision, changes]);

  const save = useMutation({
    mutationFn: ({ rows, revision }: { rows: Draft[]; revision: number }) =>
      putVariables(agent.id, environment, wantedOf(rows), revision),
    onSuccess: (saved) => {
      client.setQueryData(variableKeys.of(agent.id, environment), saved);
      setBase(saved);
      setDrafts(draftsOf(saved.items));
      setTheirs(undefined);
      setTried(false);
      const serving = agent.environments?.find(({ name }) => name === environment)?.serving;
      toast.done("Variables saved", {
        detail: "They take effect with the next deployment.",
        ...(serving
          ? { action: { label: "Redeploy now", run: () => void redeploy(serving) } }
          : {}),
      });
    },
    onError: async (error) => {
      const problem = asProblem(error);
      if (problem.status !== 412 && problem.code !== "changed_meanwhile") return;
      const found = await client.fetchQuery({
        ...variablesQuery(agent.id, environment),
        staleTime: 0,
      });
      setTheirs(found);
    },
  });
  const redeploy = async (serving: string) => {
    try {
      const running = await client.fetchQuery(deploymentQuery(serving));
      const next = await deploy(agent.id, running.version_id, environment, newIdempotencyKey());
      navigate(`/agents/${agent.id}/deployments/${next.id}`);
    } catch (error) {
      toast.failed(error);
    }
  };
  const submit = () => {
    setTried(true);
    if (!faulty && changes > 0) save.mutate({ rows: drafts, revision: base.revision });
  };
  const change = (key: string, next: Partial<Draft>) =>
    setDrafts((rows) => rows.map((row) => (row.key === key ? { ...row, ...next } : row)));
  const add = (name = "", secret = false) => {
    const key = newKey();
    setDrafts((rows) => [...rows, { key, name, value: "", secret, kept: false }]);
    setFocus(key);
  };
  const take = (text: string, into?: string) => {
    const found = parseEnv(text);
    if (found.size === 0) return 0;
    setDrafts((rows) => {
      const left = new Map(found);
      const kept = rows
        .filter((row) => row.key !== into || row.name !== "" || row.value !== "")
        .map((row) => {
          const value = left.get(row.name);
          if (value === undefined) return row;
          left.delete(row.name);
          return { ...row, value, kept: false };
        });
      const fresh = [...left].map(([name, value]) => ({
        key: newKey(),
        name,
        value,
        secret: soundsSecret(name),
        kept: false,
      }));
      return [...kept, ...fresh];
    });
    return found.size;
  };
  const problem = save.error && !theirs ? asProblem(save.error) : undefined;
  const isConflict = problem?.status === 412 || problem?.code === "changed_meanwhile";
  const fieldFault = (index: number, field: "name" | "value") =>
    problem?.fields.find((fault) => fault.field === `items[${sent(drafts, index)}].${field}`)
      ?.detail;

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      noValidate
    >
      <LeaveGuard dirty={changes > 0} />
      <div className="space-y-4">
        <Declared agent={agent} drafts={drafts} onAdd={add} />
        {problem && !isConflict ? <Problem error={problem} retry={submit} /> : null}
        <Plate
          flush
          title="Variables"
          note={drafts.length > 0 ? drafts.length : undefined}
          actions={
            <>
              <Button
                size="sm"
                variant="quiet"
                icon={ClipboardPaste}
                onClick={() => setPasting(true)}
              >
                Paste a .env
              </Button>
              <Button size="sm" icon={Plus} onClick={() => add()}>
                Add
              </Button>
            </>
          }
        >
          {drafts.length === 0 ? (
            <Empty title="No variables yet">
              Add one, or paste the lines of a <code>.env</code> file. Secrets are stored encrypted
              and never shown again.
            </Empty>
          ) : (
            <ul className="divide-y divide-line">
              {drafts.map((draft, index) => (
                <VariableRow
                  key={draft.key}
                  draft={draft}
                  focus={focus === draft.key}
                  nameFault={
                    fieldFault(index, "name") ??
                    (tried || draft.name !== "" ? faults[index] : undefined)
                  }
                  valueFault={fieldFault(index, "value")}
                  onChange={(next) => change(draft.key, next)}
                  onPaste={(text) => take(text, draft.key) > 0}
                  onRemove={() => {
                    setDrafts((rows) => rows.filter((row) => row.key !== draft.key));
                    if (draft.name) {
                      toast.note(`${draft.name} is taken out`, {
                        detail: "Nothing is saved yet.",
                        action: {
                          label: "Undo",
                          run: () =>
                            setDrafts((rows) => [
                              ...rows.slice(0, index),
                              draft,
                              ...rows.slice(index),
                            ]),
                        },
                      });
                    }
                  }}
                />
              ))}
            </ul>
          )}
        </Plate>
      </div>
      <div
        className={
          changes > 0
            ? "sticky bottom-0 z-20 -mx-1 mt-4 flex flex-wrap items-center gap-3 rounded-t border border-b-0 border-line bg-raised px-4 py-3 shadow-float"
            : "mt-4 flex flex-wrap items-center gap-3 px-4 py-3"
        }
      >
        <p role="status" className="text-sm text-ink-2">
          {changes === 0
            ? "Everything is saved."
            : `${changes} ${changes === 1 ? "change is" : "changes are"} not saved.`}
        </p>
        <div className="ml-auto flex gap-2">
          {changes > 0 ? (
            <Button
              variant="quiet"
              onClick={() => {
                const before = drafts;
                setDrafts(draftsOf(base.items));
                save.reset();
                toast.note("Changes discarded", {
                  action: { label: "Undo", run: () => setDrafts(before) },
                });
              }}
            >
              Discard
            </Button>
          ) : null}
          <Button type="submit" variant="primary" disabled={changes === 0} busy={save.isPending}>
            Save
          </Button>
        </div>
      </div>
      {pasting ? (
        <PasteDialog
          onClose={() => setPasting(false)}
          onTake={(text) => {
            const count = take(text);
            if (count > 0) {
              toast.note(`${count} ${count === 1 ? "variable" : "variables"} filled in`, {
                detail: "Look at them, then save.",
              });
            }
            return count;
          }}
        />
      ) : null}
      {theirs ? (
        <Conflict
          base={base.items}
          drafts={drafts}
          theirs={theirs.items}
          busy={save.isPending}
          onClose={() => {
            setTheirs(undefined);
            save.reset();
          }}
          onSettle={(rows) => {
            setBase(theirs);
            setDrafts(rows);
            save.mutate({ rows, revision: theirs.revision });
          }}
          onTakeTheirs={() => {
            const mine = drafts;
            const old = base;
            setBase(theirs);
            setDrafts(draftsOf(theirs.items));
            setTheirs(undefined);
            save.reset();
            toast.note("Theirs is shown now", {
              action: {
                label: "Undo",
                run: () => {
                  setBase(old);
                  setDrafts(mine);
                },
              },
            });
          }}
        />
      ) : null}
    </form>
  );
}

/** Where a row stands among those that are sent: empty ones are left out. */
function sent(drafts: Draft[], index: number): number {
  return drafts.slice(0, index).filter(({ name, value }) => name !== "" || value !== "").length;
}

interface DeclaredVariable {
  name: string;
  description?: string;
  required?: boolean;
  secret?: boolean;
  default?: string | null;
}

/** What the newest manifest asks for and has no value yet. */
function Declared({
  agent,
  drafts,
  onAdd,
}: {
  agent: AgentDetail;
  drafts: Draft[];
  onAdd: (name: string, secret: boolean) => void;
}) {
  const query = useInfiniteQuery(versionsQuery(agent.id));
  const manifest = query.data?.pages[0]?.items.find((one) => one.manifest)?.manifest;
  const missing = useMemo(() => {
    const declared = Array.isArray(manifest?.env) ? (manifest.env as DeclaredVariable[]) : [];
    return declared.filter((one) => !drafts.some(({ name }) => name === one.name));
  }, [manifest, drafts]);
  if (missing.length === 0) return null;
  return (
    <Plate title="The manifest asks for" flush>
      <ul className="divide-y divide-line">
        {missing.map((one) => (
          <li
            key={one.name}
            className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 text-sm"
          >
            <code className="font-[600] break-all">{one.name}</code>
            <span className="min-w-0 flex-1 basis-48 text-ink-2">
              {one.description}
              {one.default != null ? (
                <span className="text-ink-3">
                  {" "}
                  Without it: <code>{one.default}</code>
                </span>
              ) : null}
            </span>
            {one.required && one.default == null ? (
              <span className="text-xs font-[560] text-port">required</span>
            ) : null}
            <Button
              size="sm"
              aria-label={`Add ${one.name}`}
              onClick={() => onAdd(one.name, one.secret ?? soundsSecret(one.name))}
            >
              Add
            </Button>
          </li>
        ))}
      </ul>
    </Plate>
  );
}

/** Asks before what was typed is left behind. */
function LeaveGuard({ dirty }: { dirty: boolean }) {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) =>
      dirty &&
      (currentLocation.pathname !== nextLocation.pathname ||
        currentLocation.search !== nextLocation.search),
  );
  useEffect(() => {
    if (!dirty) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [dirty]);
  return (
    <ConfirmDialog
      open={blocker.state === "blocked"}
      onOpenChange={() => blocker.reset?.()}
      title="Leave without saving?"
      action="Leave"
      onConfirm={() => blocker.proceed?.()}
    >
      <p>What you changed in these variables is not saved yet, and would be lost.</p>
    </ConfirmDialog>
  );
}
