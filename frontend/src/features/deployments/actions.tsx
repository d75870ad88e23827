/** What can be done with a deployment: open, cancel, roll back, redeploy, restart, stop, promote. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import {
  Ban,
  CircleStop,
  Ellipsis,
  ExternalLink,
  Redo2,
  RotateCw,
  ScrollText,
  Ship,
  Undo2,
} from "lucide-react";
import { useMemo, useState } from "react";
import { useNavigate } from "react-router";
import { agentKeys } from "@/api/agents";
import { newIdempotencyKey } from "@/api/client";
import { deploy, deploymentKeys, deploymentMoves, operate } from "@/api/deployments";
import type { Deployment } from "@/api/types";
import { Button, buttonClass, IconButton } from "@/components/button";
import { type Command, useOffer } from "@/components/commands";
import { ConfirmDialog } from "@/components/dialog";
import { Menu, MenuItem, MenuLink, MenuRule } from "@/components/menu";
import { toast } from "@/components/toast";

type Asked = "rollback" | "restart" | "stop" | "cancel" | "redeploy" | "promote";
const SERVING = new Set<Deployment["state"]>(["live", "crashed", "asleep"]);
const DONE: Record<Asked, string> = {
  rollback: "Rolling back",
  restart: "Restarting",
  stop: "Stopped",
  cancel: "Cancelled",
  redeploy: "Deploying again",
  promote: "Promoting to production",
};

export function DeploymentActions({
  deployment,
  serving,
  agentName,
}: {
  deployment: Deployment;
  /** Whether it is the one that holds its environment. */
  serving: boolean;
  agentName: string;
}) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<"rollback" | "stop">();
  // One key an intention: a second press, or a try after silence, is the same one.
  const [key, setKey] = useState(newIdempotencyKey);
  const { id, agent_id: agentId, version_id: versionId, environment, state } = deployment;
  const act = useMutation({
    mutationFn: (what: Asked) => {
      if (what === "redeploy") return deploy(agentId, versionId, environment, key);
      if (what === "promote") return deploy(agentId, versionId, "production", key);
      return operate(what, id, key);
    },
    onSuccess: (made, what) => {
      setAsking(undefined);
      setKey(newIdempotencyKey());
      client.setQueryData(deploymentKeys.one(made.id), made);
      void client.invalidateQueries({ queryKey: agentKeys.one(agentId) });
      if (made.id !== id) navigate(`/agents/${agentId}/deployments/${made.id}`);
      toast.done(DONE[what], { detail: `${agentName}, version ${made.version_number}` });
    },
    onError: (error) => {
      setAsking(undefined);
      toast.failed(error);
      void client.invalidateQueries({ queryKey: deploymentKeys.one(id) });
    },
  });
  const { mutate, isPending } = act;
  const moving = deploymentMoves(deployment);
  const up = SERVING.has(state);
  const wasLive = deployment.timings.live !== undefined;
  const logs = `/agents/${agentId}/logs?deployment=${id}`;
  const back = serving ? "Roll back" : "Roll back to this";
  const canGoBack = serving || (wasLive && !moving);

  useOffer(
    useMemo(() => {
      const offered: Command[] = [
        {
          id: "deployment.logs",
          title: "Logs of this deployment",
          group: "This page",
          run: () => navigate(logs),
        },
      ];
      if (deployment.url && up) {
        const url = deployment.url;
        offered.push({
          id: "deployment.open",
          title: `Open ${agentName}`,
          group: "This page",
          keys: "o",
          run: () => window.open(url, "_blank", "noopener"),
        });
      }
      if (moving) {
        offered.push({
          id: "deployment.cancel",
          title: "Cancel this deployment",
          group: "This page",
          run: () => mutate("cancel"),
        });
      } else {
        offered.push({
          id: "deployment.redeploy",
          title: "Redeploy this version",
          group: "This page",
          run: () => mutate("redeploy"),
        });
      }
      if (canGoBack) {
        offered.push({
          id: "deployment.rollback",
          title: back,
          group: "This page",
          also: "undo revert previous",
          run: () => setAsking("rollback"),
        });
      }
      return offered;
    }, [navigate, logs, deployment.url, up, agentName, moving, canGoBack, back, mutate]),
  );

  return (
    <>
      {deployment.url && up ? (
        <a
          href={deployment.url}
          target="_blank"
          rel="noopener"
          className={buttonClass({ variant: "primary" })}
        >
          <ExternalLink size={16} aria-hidden="true" />
          Open
        </a>
      ) : null}
      {moving ? (
        <Button icon={Ban} busy={isPending} onClick={() => mutate("cancel")}>
          Cancel
        </Button>
      ) : null}
      {canGoBack ? (
        <Button icon={Undo2} onClick={() => setAsking("rollback")}>
          {back}
        </Button>
      ) : null}
      {moving || serving ? null : (
        <Button
          icon={Redo2}
          variant={state === "failed" ? "primary" : "plain"}
          busy={isPending}
          onClick={() => mutate("redeploy")}
        >
          Redeploy
        </Button>
      )}
      <Menu label="More actions" trigger={<IconButton icon={Ellipsis} label="More actions" />}>
        <MenuLink icon={ScrollText} to={logs}>
          Logs
        </MenuLink>
        {serving ? (
          <>
            <MenuItem icon={Redo2} onSelect={() => mutate("redeploy")}>
              Redeploy with the variables of now
            </MenuItem>
            <MenuItem icon={RotateCw} onSelect={() => mutate("restart")}>
              Restart
            </MenuItem>
          </>
        ) : null}
        {environment !== "production" && wasLive ? (
          <MenuItem icon={Ship} onSelect={() => mutate("promote")}>
            Promote to production
          </MenuItem>
        ) : null}
        {serving ? (
          <>
            <MenuRule />
            <MenuItem icon={CircleStop} danger onSelect={() => setAsking("stop")}>
              Stop
            </MenuItem>
          </>
        ) : null}
      </Menu>
      <ConfirmDialog
        open={asking === "stop"}
        onOpenChange={() => setAsking(undefined)}
        title={`Stop ${agentName}?`}
        action="Stop it"
        busy={isPending}
        onConfirm={() => mutate("stop")}
      >
        <p>
          {environment} answers nothing any more until another version is deployed. The address
          stays reserved, and nothing is deleted.
        </p>
      </ConfirmDialog>
      <ConfirmDialog
        open={asking === "rollback"}
        onOpenChange={() => setAsking(undefined)}
        title={serving ? "Roll back?" : `Roll back to version ${deployment.version_number}?`}
        action="Roll back"
        danger={false}
        busy={isPending}
        onConfirm={() => mutate("rollback")}
      >
        <p>
          {serving
            ? "The version that was live before is deployed again, with the variables it had then. Nothing is built, so it takes seconds."
            : `Version ${deployment.version_number} is deployed again to ${environment}, with the variables it had then. Nothing is built, so it takes seconds.`}
        </p>
      </ConfirmDialog>
    </>
  );
}
