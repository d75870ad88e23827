/** The first step: drop a source of your own, or begin with a template. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { agentKeys, agentQuery } from "@/api/agents";
import { api, newIdempotencyKey } from "@/api/client";
import { templatesQuery } from "@/api/templates";
import type { Template } from "@/api/types";
import { Page } from "@/components/page";
import { Problem } from "@/components/problem";
import { RuntimeSign } from "@/components/runtime";
import { Skeleton } from "@/components/skeleton";
import { DropZone } from "./drop-zone";
import { FromGithub } from "./from-github";
import { Progress } from "./progress";
import { again, cancel, ship, useShipment } from "./shipment";
import { Steps } from "./steps";

export function ChoosePage() {
  const { agentId = null } = useParams();
  const [search] = useSearchParams();
  const named = search.has("repository");
  const agent = useQuery({ ...agentQuery(agentId ?? ""), enabled: agentId !== null });
  const { step } = useShipment();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const arrived = (version: { agent_id: string; id: string } | null) => {
    if (!version) return;
    queries.invalidateQueries({ queryKey: agentKeys.all });
    navigate(`/deploy/${version.agent_id}/${version.id}`);
  };
  // Coming back after an upload begins anew.
  useEffect(() => {
    if (useShipment.getState().step.at === "sent") useShipment.setState({ step: { at: "idle" } });
  }, []);
  const idle = step.at === "idle" || step.at === "sent";
  return (
    <Page
      title={agentId ? `New version of ${agent.data?.name ?? "the agent"}` : "Deploy an agent"}
      {...(agentId && agent.data
        ? {
            crumbs: [
              { to: "/agents", label: "Agents" },
              { to: `/agents/${agentId}`, label: agent.data.name },
            ],
          }
        : {})}
      actions={<Steps at={1} />}
    >
      {idle && named ? <FromGithub first agentId={agentId} onMade={arrived} /> : null}
      {idle ? (
        <DropZone onSource={async (source) => arrived(await ship(source, { agentId }))} />
      ) : (
        <Progress
          step={step}
          onCancel={cancel}
          onAgain={async (without) => arrived(await again(without))}
        />
      )}
      {idle ? <Templates agentId={agentId} onMade={arrived} /> : null}
      {idle && !named ? <FromGithub first={false} agentId={agentId} onMade={arrived} /> : null}
    </Page>
  );
}

function Templates({
  agentId,
  onMade,
}: {
  agentId: string | null;
  onMade: (version: { agent_id: string; id: string }) => void;
}) {
  const templates = useQuery(templatesQuery);
  const make = useMutation({
    mutationFn: async ({ template, key }: { template: Template; key: string }) => {
      const id =
        agentId ??
        (
          await api.post("/agents", {
            body: { name: template.title, description: template.description },
            idempotencyKey: `${key}-agent`,
          })
        ).id;
      return api.post("/agents/{agent_id}/versions", {
        path: { agent_id: id },
        body: { source: "template", template: template.name, deploy: true, hold: true },
        idempotencyKey: `${key}-version`,
      });
    },
    onSuccess: onMade,
  });
  return (
    <section aria-labelledby="templates" className="mt-10">
      <h2 id="templates" className="text-lg">
        Or begin with a template
      </h2>
      <p className="text-sm text-ink-2">
        Each is a small, complete agent with tests. Its source is yours to change.
      </p>
      {make.error ? <Problem error={make.error} className="mt-4" /> : null}
      {templates.error && !templates.data ? (
        <Problem error={templates.error} retry={() => templates.refetch()} className="mt-4" />
      ) : (
        <ul
          aria-busy={templates.isPending}
          className="mt-4 grid gap-3 sm:grid-cols-2 lg:grid-cols-4"
        >
          {(templates.data?.items ?? [null, null, null, null]).map((template, index) => (
            <li key={template?.name ?? `outline-${index}`} className="min-w-0">
              {template ? (
                <button
                  type="button"
                  aria-busy={make.isPending && make.variables?.template === template}
                  onClick={() => {
                    if (!make.isPending) make.mutate({ template, key: newIdempotencyKey() });
                  }}
                  className="plate group flex h-full w-full flex-col gap-2 p-4 text-left transition-colors hover:border-sea aria-busy:animate-sweep"
                >
                  <RuntimeSign runtime={template.runtime} />
                  <span className="font-[620]">{template.title}</span>
                  <span className="text-sm text-ink-2">{template.description}</span>
                </button>
              ) : (
                <div className="plate space-y-3 p-4" aria-hidden="true">
                  <Skeleton className="h-5 w-16" />
                  <Skeleton className="h-4 w-28" />
                  <Skeleton className="h-10 w-full" />
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
