/** The form of a listing. What was typed stays, also when somebody else saves meanwhile. */
import { useQueryClient } from "@tanstack/react-query";
import { CATEGORIES, CATEGORY_IDS } from "@/api/categories";
import { useEdit } from "@/api/edit";
import { changeListing, listingKeys, listingQuery } from "@/api/listing";
import { offerKeys } from "@/api/marketplace";
import type { Category, Listing } from "@/api/types";
import { BothSides, SaveRow } from "@/components/edit-form";
import { CheckField, TextArea, TextField } from "@/components/field";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";
import {
  changedFields,
  changeOf,
  LABELS,
  shownField,
  type Values,
  valuesOf,
} from "./listing-values";

const MAX_CATEGORIES = 3;

export function ListingForm({ draft }: { draft: Listing }) {
  const client = useQueryClient();
  const edit = useEdit<Listing, Values>({
    saved: draft,
    valuesOf,
    differ: changedFields,
    write: (values, fields, revision) =>
      changeListing(draft.agent_id, changeOf(values, fields), revision),
    read: () => client.fetchQuery({ ...listingQuery(draft.agent_id), staleTime: 0 }),
    onSaved: (saved) => {
      client.setQueryData(listingKeys.one(draft.agent_id), saved);
      void client.invalidateQueries({ queryKey: offerKeys.one(saved.slug) });
      toast.done("Listing saved");
    },
  });
  const { base, values, set, fields, problem, theirs } = edit;
  const fault = (field: keyof Values) => problem?.field(field);
  const beside = problem?.beside(...Object.keys(LABELS).filter((one) => !/fork|demo/.test(one)));
  const text = (
    field: "name" | "slug" | "tags" | "icon" | "publisher" | "licence" | "source_url" | "pricing",
  ) => ({
    label: LABELS[field],
    value: values[field],
    error: fault(field),
    onChange: (event: { target: { value: string } }) => set(field, event.target.value),
  });
  return (
    <Plate title="Listing" note="what the marketplace says">
      <form
        className="space-y-4"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (fields.length > 0) edit.save();
        }}
      >
        <div className="grid gap-4 sm:grid-cols-[minmax(0,1fr)_6rem]">
          <TextField {...text("name")} maxLength={80} />
          <TextField {...text("icon")} optional hint="One emoji" maxLength={16} />
        </div>
        <TextField
          {...text("slug")}
          className="font-mono"
          maxLength={40}
          spellCheck={false}
          readOnly={base.published_at !== null}
          hint={
            base.published_at === null
              ? `${window.location.host}/marketplace/${values.slug || "…"}`
              : "It was published under this address: links to it must not break, so it stays."
          }
        />
        <TextArea
          label={LABELS.summary}
          rows={2}
          maxLength={200}
          hint={`What it does, in a sentence. ${values.summary.length} of 200 characters.`}
          error={fault("summary")}
          value={values.summary}
          onChange={(event) => set("summary", event.target.value.replace(/\n/g, " "))}
        />
        <Categories
          chosen={values.categories}
          error={fault("categories")}
          onChange={(categories) => set("categories", categories)}
        />
        <TextField
          {...text("tags")}
          optional
          hint="Up to ten, with commas between: csv, spreadsheet"
          autoCapitalize="off"
        />
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField {...text("publisher")} hint="Who is named as its author" maxLength={80} />
          <TextField
            {...text("licence")}
            optional
            hint="As SPDX names it; empty: what the LICENSE file says"
            maxLength={60}
          />
        </div>
        <TextField
          {...text("source_url")}
          type="url"
          optional
          placeholder="https://"
          hint="Where its source can be read"
          maxLength={300}
        />
        <TextField
          {...text("pricing")}
          optional
          hint="What it costs beyond running it, for example at a service that it calls"
          maxLength={200}
        />
        <CheckField
          label="People may fork it"
          hint="They get the source, too, and may build upon it."
          checked={values.fork}
          onChange={(event) => set("fork", event.target.checked)}
        />
        <CheckField
          label="Show the address of mine as a demo"
          hint="Everybody can call your own agent, and what they use is yours to pay."
          checked={values.demo}
          onChange={(event) => set("demo", event.target.checked)}
        />
        {beside ? <Problem compact error={beside} /> : null}
        {theirs ? (
          <BothSides busy={edit.busy} onMine={edit.saveMine} onTheirs={edit.takeTheirs}>
            <Compared mine={values} theirs={valuesOf(theirs)} fields={fields} />
          </BothSides>
        ) : (
          <SaveRow changed={fields.length > 0} busy={edit.busy} onDiscard={edit.discard} />
        )}
      </form>
    </Plate>
  );
}

function Categories({
  chosen,
  error,
  onChange,
}: {
  chosen: Category[];
  error: string | undefined;
  onChange: (categories: Category[]) => void;
}) {
  const full = chosen.length >= MAX_CATEGORIES;
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-[560]">
        Categories <span className="font-normal text-ink-3">(one to three)</span>
      </legend>
      <div className="grid gap-x-4 gap-y-1.5 xs:grid-cols-2">
        {CATEGORY_IDS.map((id) => {
          const on = chosen.includes(id);
          return (
            <label key={id} className="flex items-center gap-2 text-sm">
              <input
                type="checkbox"
                className="size-4 accent-sea"
                checked={on}
                disabled={on ? chosen.length === 1 : full}
                onChange={() => onChange(on ? chosen.filter((one) => one !== id) : [...chosen, id])}
              />
              {CATEGORIES[id]}
            </label>
          );
        })}
      </div>
      {error ? <p className="mt-1.5 text-sm text-port">{error}</p> : null}
    </fieldset>
  );
}

function Compared({
  mine,
  theirs,
  fields,
}: {
  mine: Values;
  theirs: Values;
  fields: (keyof Values)[];
}) {
  return (
    <dl className="mt-2 space-y-2">
      {fields.map((field) => (
        <div key={field}>
          <dt className="text-ink-2">{LABELS[field]}</dt>
          <dd className="break-words">Yours: {shownField(mine, field)}</dd>
          <dd className="break-words">Theirs: {shownField(theirs, field)}</dd>
        </div>
      ))}
    </dl>
  );
}
