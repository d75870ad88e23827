/** The repository an agent follows: connecting it, what was told of it, previews, its badge. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/api/permissions";
import { disconnect, renewSecret, repositoryKeys, repositoryQuery } from "@/api/repositories";
import type { RepositoryConnection } from "@/api/types";
import { Button } from "@/components/button";
import { CodeBlock } from "@/components/copy";
import { ConfirmDialog } from "@/components/dialog";
import { Facts, Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { ColumnsOutline } from "@/components/skeleton";
import { Status } from "@/components/status";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";
import { useAgent } from "./agent";
import { BadgePlate } from "./repository-badge";
import { Deliveries } from "./repository-deliveries";
import { RepositoryForm } from "./repository-form";
import { Previews } from "./repository-previews";

export function Repository() {
  const agent = useAgent();
  const may = useMay();
  const query = useQuery(repositoryQuery(agent.id));
  // What is shown of a secret is shown here alone, and gone with the page.
  const [secret, setSecret] = useState<string | null>(null);
  return (
    <QueryView
      query={query}
      loading={
        <ColumnsOutline
          what="Reading the connection"
          columns="xl:grid-cols-[minmax(0,1fr)_22rem]"
        />
      }
    >
      {(connection) =>
        connection ? (
          <div className="grid items-start gap-5 xl:grid-cols-[minmax(0,1fr)_22rem]">
            <div className="min-w-0 space-y-5">
              <Connected connection={connection} secret={secret} onSecret={setSecret} />
              <Deliveries agentId={agent.id} />
              {connection.previews === "on" ? <Previews agentId={agent.id} /> : null}
            </div>
            <div className="min-w-0 space-y-5">
              {may("repository:connect") ? (
                <Plate title="How it follows">
                  <RepositoryForm
                    key={connection.revision}
                    agentId={agent.id}
                    before={connection}
                  />
                </Plate>
              ) : null}
              <BadgePlate agentId={agent.id} />
            </div>
          </div>
        ) : (
          <div className="grid items-start gap-5 xl:grid-cols-[minmax(0,1fr)_22rem]">
            <Plate title="Connect a repository" note="each push is then built and deployed">
              {may("repository:connect") ? (
                <RepositoryForm
                  agentId={agent.id}
                  before={null}
                  onConnected={(made) => setSecret(made.secret ?? null)}
                />
              ) : (
                <p className="text-sm text-ink-2">
                  This agent follows no repository. Developers of this organisation can connect one.
                </p>
              )}
            </Plate>
            <BadgePlate agentId={agent.id} />
          </div>
        )
      }
    </QueryView>
  );
}

const STATES = {
  connected: { tone: "live", label: "Connected" },
  suspended: { tone: "warning", label: "Suspended" },
  gone: { tone: "failed", label: "Disconnected by GitHub" },
} as const;

function Connected({
  connection,
  secret,
  onSecret,
}: {
  connection: RepositoryConnection;
  secret: string | null;
  onSecret: (secret: string | null) => void;
}) {
  const client = useQueryClient();
  const may = useMay();
  const [asking, setAsking] = useState(false);
  const renew = useMutation({
    mutationFn: () => renewSecret(connection.agent_id),
    onSuccess: (made) => {
      onSecret(made.secret ?? null);
      toast.done("The webhook has another secret", {
        detail: "Calls signed with the former one are refused.",
      });
    },
    onError: (error) => toast.failed(error),
  });
  const end = useMutation({
    mutationFn: () => disconnect(connection.agent_id),
    onSuccess: () => {
      setAsking(false);
      onSecret(null);
      client.setQueryData(repositoryKeys.of(connection.agent_id), null);
      toast.done(`Pushes to ${connection.repository} are no longer deployed`);
    },
    onError: (error) => {
      setAsking(false);
      toast.failed(error);
    },
  });
  const address = `https://github.com/${connection.repository}`;
  return (
    <Plate
      title="Repository"
      actions={
        may("repository:connect") ? (
          <Button size="sm" onClick={() => setAsking(true)}>
            Disconnect
          </Button>
        ) : undefined
      }
    >
      {connection.state === "connected" ? null : (
        <p role="alert" className="mb-4 rounded bg-lantern-wash px-3 py-2 text-sm text-lantern">
          {connection.reason || "GitHub tells nothing of this repository any more."} Connect it
          again, or another one.
        </p>
      )}
      <Facts
        items={[
          [
            "Repository",
            <a
              key="r"
              href={address}
              target="_blank"
              rel="noopener"
              className="text-sea underline-offset-2 hover:underline"
            >
              {connection.repository}
              {connection.private ? <span className="text-ink-3"> (private)</span> : null}
            </a>,
          ],
          ["State", <Status key="s" {...STATES[connection.state]} />],
          ["Branch", <code key="b">{connection.branch}</code>],
          ["Folder", <code key="f">{connection.root || "/"}</code>],
          [
            "Connected",
            <span key="c">
              {connection.how === "app" ? "through the app at GitHub" : "by a webhook of its own"},{" "}
              <Ago at={connection.created_at} />
            </span>,
          ],
        ]}
      />
      {connection.webhook_url ? (
        <div className="mt-5 space-y-3 border-t border-line pt-4 text-sm">
          <p className="text-ink-2">
            Enter this at GitHub under{" "}
            <a
              href={`${address}/settings/hooks/new`}
              target="_blank"
              rel="noopener"
              className="text-sea underline underline-offset-2"
            >
              Settings, Webhooks
            </a>
            : either content type, the events pushes and pull requests.
          </p>
          <div>
            <p className="mb-1 font-[560]">Payload URL</p>
            <CodeBlock text={connection.webhook_url} label="Copy the address" />
          </div>
          {secret ? (
            <div>
              <p className="mb-1 font-[560]">Secret, shown this once</p>
              <CodeBlock text={secret} label="Copy the secret" />
            </div>
          ) : may("repository:connect") ? (
            <Button size="sm" busy={renew.isPending} onClick={() => renew.mutate()}>
              Make a new secret
            </Button>
          ) : null}
        </div>
      ) : null}
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Disconnect ${connection.repository}?`}
        action="Disconnect"
        busy={end.isPending}
        onConfirm={() => end.mutate()}
      >
        <p>
          Pushes are no longer deployed, and previews of pull requests are taken away. What runs in
          production goes on running.
        </p>
      </ConfirmDialog>
    </Plate>
  );
}
