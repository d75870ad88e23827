/** What somebody may do, as fields: a role, roles on single agents, and whether those are all. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { agentsQuery } from "@/api/agents";
import type { Rights } from "@/api/members";
import type { Role } from "@/api/types";
import { Button, IconButton } from "@/components/button";
import { CheckField, SelectField } from "@/components/field";
import { Problem } from "@/components/problem";
import { ROLES } from "./roles";

/** Faults of these are told here. */
export const RIGHTS = ["role", "grants"];
/** Wider roles than one's own make sense for single agents too; owner of one agent is no thing. */
const GRANTED: Role[] = ["admin", "developer", "viewer"];

export function RightsFields({
  value,
  onChange,
  roles,
  error,
}: {
  value: Rights;
  onChange: (next: Rights) => void;
  /** What the caller may give. */
  roles: Role[];
  error?: ((field: string) => string | undefined) | undefined;
}) {
  const agents = useInfiniteQuery(agentsQuery);
  const known = agents.data?.pages.flatMap((page) => page.items) ?? [];
  const nameOf = (id: string) => known.find((agent) => agent.id === id)?.name ?? id;
  const left = known.filter((agent) => !(agent.id in value.grants));
  const restrictable = value.role === "developer" || value.role === "viewer";
  const grantable = GRANTED.filter((role) => roles.includes(role));
  const grant = (id: string, role: Role) =>
    onChange({ ...value, grants: { ...value.grants, [id]: role } });
  const choices = roles.includes(value.role) ? roles : [value.role, ...roles];
  return (
    <div className="space-y-5">
      <SelectField
        label="Role"
        value={value.role}
        hint={
          value.restricted
            ? "What they see is named below; what they may there, too."
            : `In the whole organisation: ${ROLES[value.role].may}.`
        }
        error={error?.("role")}
        onChange={(event) => {
          const role = event.target.value as Role;
          const keeps = role === "developer" || role === "viewer";
          onChange({ ...value, role, restricted: keeps && value.restricted });
        }}
      >
        {choices.map((role) => (
          <option key={role} value={role}>
            {ROLES[role].name}
          </option>
        ))}
      </SelectField>
      {restrictable ? (
        <CheckField
          label="Only the agents named below"
          hint="All other agents do not exist for them, in lists, logs or by address."
          checked={value.restricted}
          error={error?.("restricted")}
          onChange={(event) => onChange({ ...value, restricted: event.target.checked })}
        />
      ) : null}
      <fieldset className="min-w-0">
        <legend className="mb-1.5 text-sm font-[560]">
          Roles on single agents{" "}
          {value.restricted ? null : <span className="font-normal text-ink-3">(optional)</span>}
        </legend>
        {Object.keys(value.grants).length === 0 ? (
          <p className="text-sm text-ink-3">
            {value.restricted
              ? "None yet: without one they see no agent at all."
              : "None: the role above counts on every agent."}
          </p>
        ) : (
          <ul className="space-y-2">
            {Object.entries(value.grants).map(([id, role]) => (
              <li key={id} className="flex items-center gap-2">
                <span className="min-w-0 flex-1 truncate text-sm">{nameOf(id)}</span>
                <div className="w-36">
                  <SelectField
                    label={`Role on ${nameOf(id)}`}
                    hideLabel
                    value={role}
                    onChange={(event) => grant(id, event.target.value as Role)}
                  >
                    {(grantable.includes(role) ? grantable : [role, ...grantable]).map((one) => (
                      <option key={one} value={one}>
                        {ROLES[one].name}
                      </option>
                    ))}
                  </SelectField>
                </div>
                <IconButton
                  icon={X}
                  size="sm"
                  label={`Take away the role on ${nameOf(id)}`}
                  onClick={() => {
                    const { [id]: _, ...rest } = value.grants;
                    onChange({ ...value, grants: rest });
                  }}
                />
              </li>
            ))}
          </ul>
        )}
        {error?.("grants") ? <p className="mt-1.5 text-sm text-port">{error("grants")}</p> : null}
        {agents.error ? <Problem compact error={agents.error} className="mt-3" /> : null}
        {left.length > 0 ? (
          <div className="mt-3">
            <SelectField
              label="Add a role on an agent"
              hideLabel
              value=""
              onChange={(event) => grant(event.target.value, "developer")}
            >
              <option value="" disabled>
                Add an agent…
              </option>
              {left.map((agent) => (
                <option key={agent.id} value={agent.id}>
                  {agent.name}
                </option>
              ))}
            </SelectField>
          </div>
        ) : null}
        {agents.hasNextPage ? (
          <Button
            size="sm"
            variant="quiet"
            icon={Plus}
            className="mt-2"
            busy={agents.isFetchingNextPage}
            onClick={() => agents.fetchNextPage()}
          >
            Show more agents to choose from
          </Button>
        ) : null}
      </fieldset>
    </div>
  );
}
