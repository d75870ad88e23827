/** Making an API token: name, scope, one agent or all, and its end. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { agentsQuery } from "@/api/agents";
import { asProblem } from "@/api/problem";
import { createToken, tokenKeys } from "@/api/tokens";
import type { CreatedToken, Scope } from "@/api/types";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { SelectField, TextField } from "@/components/field";
import { Problem } from "@/components/problem";
import { SCOPES } from "./scopes";

const ENDS = { "7": "In 7 days", "30": "In 30 days", "90": "In 90 days", "365": "In a year" };
const DAY = 86_400_000;

export function NewTokenDialog({
  onClose,
  onMade,
}: {
  onClose: () => void;
  onMade: (token: CreatedToken) => void;
}) {
  const client = useQueryClient();
  const agents = useInfiniteQuery(agentsQuery);
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("deploy");
  const [agent, setAgent] = useState("");
  const [ends, setEnds] = useState("90");
  const [asked, setAsked] = useState(false);
  const make = useMutation({
    mutationFn: () =>
      createToken({
        name: name.trim(),
        scope,
        agent_id: agent || null,
        expires_at: ends ? new Date(Date.now() + Number(ends) * DAY).toISOString() : null,
      }),
    onSuccess: (token) => {
      void client.invalidateQueries({ queryKey: tokenKeys.list });
      onMade(token);
    },
  });
  const problem = make.error ? asProblem(make.error) : undefined;
  const missing =
    asked && name.trim() === "" ? "Name it after the program that will use it." : undefined;
  const elsewhere = problem?.beside("name", "scope", "agent_id", "expires_at");
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="New API token"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="new-token" busy={make.isPending}>
            Create token
          </Button>
        </>
      }
    >
      <form
        id="new-token"
        noValidate
        className="space-y-5"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(true);
          if (name.trim() !== "" && !make.isPending) make.mutate();
        }}
      >
        <TextField
          label="Name"
          value={name}
          maxLength={80}
          autoComplete="off"
          autoFocus
          placeholder="Build of the harbour guide"
          error={missing ?? problem?.field("name")}
          onChange={(event) => setName(event.target.value)}
        />
        <SelectField
          label="Scope"
          value={scope}
          hint={`It ${SCOPES[scope].may}. Never more than you may yourself.`}
          error={problem?.field("scope")}
          onChange={(event) => setScope(event.target.value as Scope)}
        >
          {Object.entries(SCOPES).map(([value, { name: label }]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </SelectField>
        <SelectField
          label="For"
          value={agent}
          error={problem?.field("agent_id")}
          onChange={(event) => setAgent(event.target.value)}
        >
          <option value="">All agents</option>
          {agents.data?.pages
            .flatMap(({ items }) => items)
            .map((one) => (
              <option key={one.id} value={one.id}>
                {one.name} only
              </option>
            ))}
        </SelectField>
        <SelectField
          label="Ends"
          value={ends}
          hint={ends ? undefined : "Revoke it yourself when it is not needed any more."}
          error={problem?.field("expires_at")}
          onChange={(event) => setEnds(event.target.value)}
        >
          {Object.entries(ENDS).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
          <option value="">Never by itself</option>
        </SelectField>
        {elsewhere ? <Problem compact error={problem} /> : null}
        {agents.error ? <Problem compact error={agents.error} /> : null}
      </form>
    </Dialog>
  );
}
