/** Everything that was deployed, as a time line. */

import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Undo2 } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { agentKeys } from "@/api/agents";
import { newIdempotencyKey } from "@/api/client";
import { deploymentKeys, deploymentMoves, deploymentsQuery, operate } from "@/api/deployments";
import type { Deployment } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Empty } from "@/components/empty";
import { SelectField } from "@/components/field";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { toast } from "@/components/toast";
import { useSearch } from "@/components/use-search";
import { useAgent } from "./agent";
import { DeploymentRow } from "./deployment-row";
import { isLike, StateChoices, TimeLine } from "./time-line";

export function Deployments() {
  const agent = useAgent();
  const [search, setSearch] = useSearch();
  const query = useInfiniteQuery({
    ...deploymentsQuery(agent.id),
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some(deploymentMoves)) ? 1000 : 15_000,
  });
  const [back, setBack] = useState<Deployment>();
  const group = search.get("state") ?? "";
  const environment = search.get("environment") ?? "";
  const environments = (agent.environments ?? []).map(({ name }) => name);
  const serving = new Set((agent.environments ?? []).map((one) => one.serving));
  const choose = (name: string, value: string) =>
    setSearch(
      (before) => {
        if (value) before.set(name, value);
        else before.delete(name);
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  const wanted = (one: Deployment) =>
    isLike(group, one) && (!environment || one.environment === environment);
  return (
    <Plate
      flush
      title="Timeline"
      actions={
        <>
          {environments.length > 1 ? (
            <SelectField
              label="Environment"
              hideLabel
              className="h-8!"
              value={environment}
              onChange={(event) => choose("environment", event.target.value)}
            >
              <option value="">Every environment</option>
              {environments.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </SelectField>
          ) : null}
          <SelectField
            label="State"
            hideLabel
            className="h-8!"
            value={group}
            onChange={(event) => choose("state", event.target.value)}
          >
            <StateChoices />
          </SelectField>
        </>
      }
    >
      <QueryView
        query={query}
        loading={<SkeletonRows rows={8} height="h-15" />}
        isEmpty={(data) => data.pages.every((page) => page.items.length === 0)}
        empty={
          <Empty
            title="Nothing deployed yet"
            action={
              <ButtonLink to={`/agents/${agent.id}/deploy`} variant="primary">
                Deploy a version
              </ButtonLink>
            }
          >
            Each deployment is listed here, with what it did and how long it took.
          </Empty>
        }
      >
        {(data) => (
          <TimeLine
            items={data.pages.flatMap((page) => page.items).filter(wanted)}
            heading="h3"
            earlier={query}
            onShowAll={() => setSearch({}, { replace: true })}
          >
            {(one) => (
              <DeploymentRow
                key={one.id}
                deployment={one}
                serving={serving.has(one.id)}
                actions={
                  canReturnTo(one, serving) ? (
                    <Button
                      size="sm"
                      variant="quiet"
                      icon={Undo2}
                      aria-label={`Roll back to version ${one.version_number}`}
                      onClick={() => setBack(one)}
                    >
                      <span className="hidden md:inline">Roll back</span>
                    </Button>
                  ) : null
                }
              />
            )}
          </TimeLine>
        )}
      </QueryView>
      {back ? <RollBack deployment={back} onClose={() => setBack(undefined)} /> : null}
    </Plate>
  );
}

function RollBack({ deployment, onClose }: { deployment: Deployment; onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [key] = useState(newIdempotencyKey);
  const act = useMutation({
    mutationFn: () => operate("rollback", deployment.id, key),
    onSuccess: (made) => {
      client.setQueryData(deploymentKeys.one(made.id), made);
      void client.invalidateQueries({ queryKey: agentKeys.one(deployment.agent_id) });
      navigate(`/agents/${made.agent_id}/deployments/${made.id}`);
    },
    onError: (error) => {
      onClose();
      toast.failed(error);
    },
  });
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={`Roll back to version ${deployment.version_number}?`}
      action="Roll back"
      danger={false}
      busy={act.isPending}
      onConfirm={() => act.mutate()}
    >
      <p>
        It is deployed again to {deployment.environment}, with the variables it had then. Nothing is
        built, so it takes seconds; what serves now goes on until it has been verified.
      </p>
    </ConfirmDialog>
  );
}

function canReturnTo(one: Deployment, serving: ReadonlySet<string | null>): boolean {
  return one.timings.live !== undefined && !serving.has(one.id) && !deploymentMoves(one);
}
