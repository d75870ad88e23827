/** What was done in the organisation, by whom, with what result. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { meQuery } from "@/api/account";
import { auditQuery } from "@/api/audit";
import type { AuditRecord } from "@/api/types";
import { Button } from "@/components/button";
import { Empty } from "@/components/empty";
import { SelectField, TextField } from "@/components/field";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { useSearch } from "@/components/use-search";
import { FILTERS, filterOf, isNarrowed, NOUNS, RESULTS } from "./audit-filter";
import { AuditExport, AuditProof } from "./audit-proof";
import { AuditRow } from "./audit-row";
import { useThisOrganisation } from "./organisation";

export function Audit() {
  const organisation = useThisOrganisation();
  const me = useQuery(meQuery).data?.user.id;
  const [search, setSearch] = useSearch();
  const query = useInfiniteQuery(auditQuery(filterOf(search)));
  const chosen = search.get("record");
  const choose = (changes: Partial<Record<string, string | null>>) =>
    setSearch(
      (before) => {
        for (const [name, value] of Object.entries(changes)) {
          if (value) before.set(name, value);
          else before.delete(name);
        }
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  const clear = () =>
    setSearch(
      (before) => {
        for (const name of FILTERS) before.delete(name);
        return before;
      },
      { replace: true },
    );
  return (
    <div className="space-y-5">
      <AuditProof orgId={organisation.id} />
      <Plate flush title="Records" note="newest first" actions={<AuditExport />}>
        <Filters search={search} choose={choose} clear={clear} me={me} />
        <QueryView
          query={query}
          loading={<SkeletonRows rows={8} height="h-14" />}
          isEmpty={(data) =>
            data.pages.every(({ items }) => items.length === 0) && !query.hasNextPage
          }
          empty={
            isNarrowed(search) ? (
              <Empty title="No record matches">
                Take away a part of the filter, or look at other days.
              </Empty>
            ) : (
              <Empty title="Nothing recorded yet">
                Whoever changes something here leaves a record: who, what, when, from where.
              </Empty>
            )
          }
        >
          {(data) => {
            const records: AuditRecord[] = data.pages.flatMap(({ items }) => items);
            return (
              <>
                <ol className="divide-y divide-line">
                  {records.map((record) => (
                    <AuditRow
                      key={record.sequence}
                      record={record}
                      own={record.actor.id === me}
                      open={chosen === String(record.sequence)}
                      onToggle={(open) => choose({ record: open ? String(record.sequence) : null })}
                      narrow={choose}
                    />
                  ))}
                </ol>
                <div className="flex items-center justify-center gap-3 border-t border-line p-3 text-sm text-ink-3">
                  {query.hasNextPage ? (
                    <>
                      {records.length === 0 ? "None among the records looked at so far." : null}
                      <Button busy={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
                        Earlier records
                      </Button>
                    </>
                  ) : (
                    "These are all records."
                  )}
                </div>
              </>
            );
          }}
        </QueryView>
      </Plate>
    </div>
  );
}

function Filters({
  search,
  choose,
  clear,
  me,
}: {
  search: URLSearchParams;
  choose: (changes: Partial<Record<string, string | null>>) => void;
  clear: () => void;
  me: string | undefined;
}) {
  const action = search.get("action") ?? "";
  const given = { actor: search.get("actor") ?? "", subject: search.get("subject") ?? "" };
  // What is being typed, until it is sent or the address says something else.
  const [typed, setTyped] = useState({ of: "", ...given });
  const now = typed.of === search.toString() ? typed : given;
  const type = (change: Partial<typeof given>) =>
    setTyped({ actor: now.actor, subject: now.subject, ...change, of: search.toString() });
  const send = () => {
    const wanted = { actor: now.actor.trim(), subject: now.subject.trim() };
    if (wanted.actor !== given.actor || wanted.subject !== given.subject) choose(wanted);
  };
  return (
    <section aria-label="Filter the records">
      <form
        className="grid grid-cols-2 items-end gap-3 border-b border-line px-4 py-3 md:grid-cols-3 lg:grid-cols-6"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <SelectField
          label="About"
          value={action}
          onChange={(event) => choose({ action: event.target.value })}
        >
          <option value="">Everything</option>
          {action && !(action in NOUNS) ? <option value={action}>{action}</option> : null}
          {Object.entries(NOUNS).map(([noun, label]) => (
            <option key={noun} value={noun}>
              {label}
            </option>
          ))}
        </SelectField>
        <SelectField
          label="Result"
          value={search.get("result") ?? ""}
          onChange={(event) => choose({ result: event.target.value })}
        >
          <option value="">Any</option>
          {Object.entries(RESULTS).map(([result, label]) => (
            <option key={result} value={result}>
              {label}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Who"
          value={now.actor}
          list="audit-actors"
          placeholder="usr_…, system"
          onChange={(event) => type({ actor: event.target.value })}
          onBlur={send}
        />
        <datalist id="audit-actors">
          {me ? <option value={me}>you</option> : null}
          <option value="system">the platform</option>
        </datalist>
        <TextField
          label="On what"
          value={now.subject}
          placeholder="agt_…, dep_…"
          onChange={(event) => type({ subject: event.target.value })}
          onBlur={send}
        />
        <TextField
          label="From"
          type="date"
          max={search.get("until") ?? undefined}
          value={search.get("since") ?? ""}
          onChange={(event) => choose({ since: event.target.value })}
        />
        <TextField
          label="To"
          type="date"
          min={search.get("since") ?? undefined}
          value={search.get("until") ?? ""}
          onChange={(event) => choose({ until: event.target.value })}
        />
        {/* Enter in a field sends both. */}
        <button type="submit" hidden>
          Filter
        </button>
        {isNarrowed(search) ? (
          <div className="col-span-full">
            <Button size="sm" variant="quiet" onClick={clear}>
              Show all
            </Button>
          </div>
        ) : null}
      </form>
    </section>
  );
}
