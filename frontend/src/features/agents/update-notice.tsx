/** Of a copy: what its author has published since, what would change, and taking it over. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { agentKeys } from "@/api/agents";
import { acceptUpdate, listingKeys, updatesQuery } from "@/api/listing";
import { offerQuery, orderKeys } from "@/api/marketplace";
import { asProblem } from "@/api/problem";
import { sharedOfferQuery } from "@/api/sharing";
import type { AgentDetail, Update } from "@/api/types";
import { Button } from "@/components/button";
import { soundsSecret } from "@/components/dotenv";
import { InputFields, typedIn } from "@/components/input-fields";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { shownValue } from "@/components/shown-value";
import { Light, Tag } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

export function UpdateNotice({ agent }: { agent: AgentDetail }) {
  const copied = Boolean(agent.origin && !agent.origin.fork);
  const query = useQuery({ ...updatesQuery(agent.id), enabled: copied });
  const update = query.data;
  if (!copied) return null;
  if (query.error && !update) {
    return (
      <p className="mb-4 flex flex-wrap items-center gap-x-2 text-sm text-ink-3">
        Whether its author has something newer could not be read.
        <Button size="sm" variant="quiet" onClick={() => query.refetch()}>
          Try again
        </Button>
      </p>
    );
  }
  if (!update) return null;
  return update.available && update.latest ? (
    <Offered key={update.latest.version_id} agent={agent} update={update} latest={update.latest} />
  ) : (
    <p className="mb-4 flex flex-wrap items-center gap-x-2 text-sm text-ink-3">
      A copy of{" "}
      {update.listed ? (
        <Link to={placeOf(update)} className="text-sea underline">
          {update.name ?? update.origin.slug}
        </Link>
      ) : (
        <span>{update.origin.slug}, which its author no longer offers; yours goes on</span>
      )}
      <Tag>{update.origin.label}</Tag>
    </p>
  );
}

/** Where what it is a copy of is read. */
function placeOf({ offer_id, origin }: Update): string {
  return offer_id ? `/marketplace/shared/${offer_id}` : `/marketplace/${origin.slug}`;
}

function Offered({
  agent,
  update,
  latest,
}: {
  agent: AgentDetail;
  update: Update;
  latest: NonNullable<Update["latest"]>;
}) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  const [tried, setTried] = useState(false);
  const [values, setValues] = useState<Record<string, string>>({});
  const [keyOf] = useState(orderKeys);
  // The offer knows which of the values are secret.
  const shared = update.offer_id;
  const offer = useQuery({ ...offerQuery(update.origin.slug), enabled: open && !shared });
  const shown = useQuery({ ...sharedOfferQuery(shared ?? ""), enabled: open && Boolean(shared) });
  const inputs = update.missing.map((name) => ({
    name,
    required: true,
    secret:
      (shared ? shown : offer).data?.inputs.find((one) => one.name === name)?.secret ??
      soundsSecret(name),
    description: update.difference.variables.find((one) => one.name === name)?.description ?? "",
  }));
  const accept = useMutation({
    mutationFn: () => {
      const order = { variables: typedIn(values), deploy: true };
      return acceptUpdate(agent.id, order, keyOf({ ...order, to: latest.version_id }));
    },
    onSuccess: ({ deployment_id, version_id }) => {
      void client.invalidateQueries({ queryKey: agentKeys.one(agent.id) });
      void client.invalidateQueries({ queryKey: listingKeys.updates(agent.id) });
      toast.done(`Updated to ${latest.label}`);
      navigate(
        deployment_id
          ? `/agents/${agent.id}/deployments/${deployment_id}`
          : `/agents/${agent.id}/versions/${version_id}`,
      );
    },
  });
  const problem = accept.error ? asProblem(accept.error) : undefined;
  const beside = problem?.beside(...inputs.map(({ name }) => `variables.${name}`));
  const fault = (name: string) =>
    problem?.field(`variables.${name}`) ??
    (tried && !values[name] ? "The new version does not start without it." : undefined);
  return (
    <Plate
      className="mb-5 border-sea/50"
      title={`Version ${latest.label} of ${update.name ?? update.origin.slug} is available`}
      note={
        <>
          yours is {update.origin.label}; published <Ago at={latest.published_at} />
        </>
      }
      actions={
        <Button
          size="sm"
          variant={open ? "plain" : "primary"}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "Not now" : "See what changes"}
        </Button>
      }
    >
      {open ? (
        <form
          className="space-y-5"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            setTried(true);
            if (inputs.every(({ name }) => values[name])) accept.mutate();
          }}
        >
          <Difference update={update} />
          {inputs.length > 0 ? (
            <div>
              <h3 className="mb-2 text-sm font-[620]">It needs, and you have not set</h3>
              <InputFields
                inputs={inputs}
                values={values}
                fault={fault}
                onChange={(name, value) => setValues((now) => ({ ...now, [name]: value }))}
              />
            </div>
          ) : null}
          {beside ? <Problem compact error={beside} /> : null}
          <div className="flex flex-wrap items-center justify-end gap-3">
            <p className="text-sm text-ink-3">You can roll back like from any version.</p>
            <Button type="submit" variant="primary" busy={accept.isPending}>
              Take it over and deploy
            </Button>
          </div>
        </form>
      ) : (
        <p className="flex items-center gap-2 text-sm text-ink-2">
          <Light tone="ended" />
          {summaryOf(update)}
        </p>
      )}
    </Plate>
  );
}

function summaryOf({ difference, missing }: Update): string {
  const count = difference.manifest.length + difference.tools.length + difference.variables.length;
  const changes =
    count === 0
      ? "Its manifest says the same; the program is newer."
      : `${count} ${count === 1 ? "thing" : "things"} of its manifest ${count === 1 ? "is" : "are"} different.`;
  if (missing.length === 0) return changes;
  return `${changes} It needs ${missing.length === 1 ? "a variable" : `${missing.length} variables`} that you have not set.`;
}

const WORDS: Record<string, string> = { added: "new", removed: "gone", changed: "changed" };

function Difference({ update }: { update: Update }) {
  const { manifest, tools, variables } = update.difference;
  if (manifest.length + tools.length + variables.length === 0) {
    return <p className="text-sm text-ink-2">The manifest says the same; the program is newer.</p>;
  }
  return (
    <div className="space-y-4 text-sm">
      {variables.length > 0 ? (
        <div>
          <h3 className="mb-1.5 text-sm font-[620]">Variables</h3>
          <ul className="space-y-1.5">
            {variables.map((one) => (
              <li key={one.name} className="break-words">
                <code>{one.name}</code> <Tag>{WORDS[one.kind] ?? one.kind}</Tag>{" "}
                {one.required ? <Tag>needed</Tag> : null}{" "}
                <span className="text-ink-2">{one.description}</span>
              </li>
            ))}
          </ul>
        </div>
      ) : null}
      <ChangeTable title="Tools" changes={tools} />
      <ChangeTable title="Manifest" changes={manifest} />
    </div>
  );
}

function ChangeTable({
  title,
  changes,
}: {
  title: string;
  changes: Update["difference"]["manifest"];
}) {
  if (changes.length === 0) return null;
  return (
    <table className="w-full table-fixed text-left">
      <caption className="mb-1.5 text-left font-[620]">{title}</caption>
      <thead className="text-xs text-ink-3">
        <tr>
          <th scope="col" className="py-1 pr-3 font-normal">
            What
          </th>
          <th scope="col" className="py-1 pr-3 font-normal">
            Yours
          </th>
          <th scope="col" className="py-1 font-normal">
            Theirs
          </th>
        </tr>
      </thead>
      <tbody>
        {changes.map((one) => (
          <tr key={one.path} className="border-t border-line align-top">
            <th scope="row" className="py-1.5 pr-3 font-normal break-words">
              <code>{one.path}</code>
            </th>
            <td className="py-1.5 pr-3 break-words text-ink-2">{shownValue(one.before)}</td>
            <td className="py-1.5 break-words">{shownValue(one.after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
