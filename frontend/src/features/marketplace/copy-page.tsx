/** Making a copy of one's own: asks for what the agent needs, then shows it going live. */
import { type UseQueryResult, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useRef, useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { agentKeys } from "@/api/agents";
import { makeCopy, type NewCopy, offerKeys, offerQuery, orderKeys } from "@/api/marketplace";
import { ApiProblem, asProblem } from "@/api/problem";
import type { Made, Offer } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { CheckField, SelectField, TextField } from "@/components/field";
import { InputFields, typedIn } from "@/components/input-fields";
import { Facts, Page, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { runtimeName } from "@/components/runtime";
import { Loading, Skeleton } from "@/components/skeleton";
import { toast } from "@/components/toast";
import { NotPublished } from "./offer-frame";

export function CopyPage() {
  const { slug = "" } = useParams();
  const query = useQuery(offerQuery(slug));
  return (
    <CopyFrame
      query={query}
      back={`/marketplace/${slug}`}
      stale={offerKeys.one(slug)}
      gone={<NotPublished />}
      make={(order, key) => makeCopy(slug, order, key)}
    />
  );
}

interface Making {
  /** Where the agent is read. */
  back: string;
  /** What is counted anew once there is another copy. */
  stale: readonly unknown[];
  make: (order: NewCopy, idempotencyKey: string) => Promise<Made>;
}

interface Frame extends Making {
  query: UseQueryResult<Offer>;
  /** In place of all, when there is nothing to copy. */
  gone: ReactNode;
}

export function CopyFrame({ query, gone, ...making }: Frame) {
  const name = query.data?.name ?? "";
  if (!query.data && query.error instanceof ApiProblem && query.error.status === 404) return gone;
  return (
    <Page
      title={name ? `Your copy of ${name}` : "Your own copy"}
      width="narrow"
      crumbs={[
        { to: "/marketplace", label: "Marketplace" },
        { to: making.back, label: name || "The agent" },
      ]}
      lead="It runs in your organisation, with your variables. The author sees none of it."
    >
      <QueryView query={query} loading={<Outline />}>
        {(offer) => <Order key={offer.slug} offer={offer} {...making} />}
      </QueryView>
    </Page>
  );
}

function Order({ offer, back, stale, make: makeIt }: Making & { offer: Offer }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const [keyOf] = useState(orderKeys);
  const form = useRef<HTMLFormElement>(null);
  const [name, setName] = useState(offer.name);
  const [version, setVersion] = useState(search.get("version") ?? offer.version.version_id);
  const [fork, setFork] = useState(false);
  const [values, setValues] = useState<Record<string, string>>({});
  const [tried, setTried] = useState(false);
  const newest = version === offer.version.version_id;
  const missing = offer.inputs.filter((one) => one.required && !values[one.name]);
  const make = useMutation({
    mutationFn: () => {
      const order = {
        name: name.trim(),
        version_id: version,
        variables: typedIn(values),
        deploy: true,
        fork,
      };
      return makeIt(order, keyOf(order));
    },
    onSuccess: ({ agent, version_id, deployment_id }) => {
      void client.invalidateQueries({ queryKey: agentKeys.list });
      void client.invalidateQueries({ queryKey: stale });
      toast.done(fork ? `${agent.name} is yours: building it` : `${agent.name} is yours`);
      navigate(
        fork
          ? `/deploy/${agent.id}/${version_id}`
          : deployment_id
            ? `/agents/${agent.id}/deployments/${deployment_id}`
            : `/agents/${agent.id}`,
      );
    },
  });
  const problem = make.error ? asProblem(make.error) : undefined;
  const fault = (input: string) =>
    problem?.field(`variables.${input}`) ??
    (tried && missing.some((one) => one.name === input)
      ? "The agent does not start without it."
      : undefined);
  const general = problem?.beside("name", ...offer.inputs.map((one) => `variables.${one.name}`));
  return (
    <form
      ref={form}
      noValidate
      className="space-y-5"
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        // Of another version the API knows what is needed.
        if ((newest && missing.length > 0) || name.trim() === "") {
          requestAnimationFrame(() =>
            form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus(),
          );
          return;
        }
        make.mutate();
      }}
    >
      <Plate title="The agent">
        <div className="space-y-4">
          <TextField
            label="Name"
            hint="What it is called in your organisation."
            maxLength={80}
            error={
              problem?.field("name") ??
              (tried && name.trim() === "" ? "An agent needs a name." : undefined)
            }
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          {offer.versions.length > 1 ? (
            <SelectField
              label="Version"
              value={version}
              onChange={(event) => setVersion(event.target.value)}
            >
              {offer.versions.map((one, index) => (
                <option key={one.version_id} value={one.version_id}>
                  {one.label}
                  {index === 0 ? " (newest)" : ""}
                </option>
              ))}
            </SelectField>
          ) : null}
          <Facts
            items={[
              ["By", offer.publisher],
              ["Runtime", runtimeName(offer.runtime) || "–"],
              ["Licence", offer.licence || "–"],
              ["Costs", offer.pricing || "Nothing beyond running it"],
            ]}
          />
        </div>
      </Plate>
      <Plate title="Variables" note="kept encrypted in your organisation">
        {offer.inputs.length === 0 ? (
          <p className="text-sm text-ink-2">It asks for nothing.</p>
        ) : (
          <InputFields
            inputs={offer.inputs}
            values={values}
            fault={fault}
            onChange={(input, value) => setValues((now) => ({ ...now, [input]: value }))}
          />
        )}
      </Plate>
      {offer.fork ? (
        <Plate title="Source">
          <CheckField
            label="Fork the source instead"
            hint="It is built anew for you and goes its own way: updates of the author are not offered."
            checked={fork}
            onChange={(event) => setFork(event.target.checked)}
          />
        </Plate>
      ) : null}
      {general ? <Problem error={problem} /> : null}
      <div className="flex flex-wrap items-center justify-end gap-2">
        <ButtonLink to={back} variant="quiet">
          Back to the agent
        </ButtonLink>
        <Button type="submit" variant="primary" size="lg" busy={make.isPending}>
          {fork ? "Fork and deploy" : "Deploy my copy"}
        </Button>
      </div>
    </form>
  );
}

function Outline() {
  return (
    <Loading what="Reading what it asks for">
      <div className="plate h-64 space-y-4 p-5">
        <Skeleton className="h-5 w-40" />
        <Skeleton className="h-9 w-full" />
        <Skeleton className="h-9 w-full" />
      </div>
    </Loading>
  );
}
