/** A badge that says how the agent is, and a button that deploys it, for a README. */
import { useQuery } from "@tanstack/react-query";
import { badgeQuery } from "@/api/repositories";
import { CodeBlock } from "@/components/copy";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { Skeleton } from "@/components/skeleton";

export function BadgePlate({ agentId }: { agentId: string }) {
  const query = useQuery(badgeQuery(agentId));
  return (
    <Plate title="Badge" note="for a README">
      <QueryView query={query} loading={<Skeleton className="h-24 w-full" />}>
        {(badge) => (
          <div className="space-y-4 text-sm">
            <div className="space-y-2">
              <img src={pathOf(badge.badge_url)} alt="How the agent is now" className="h-5" />
              <CodeBlock text={badge.markdown} label="Copy the badge" />
              <p className="text-ink-3">Whoever has its address sees how the agent is.</p>
            </div>
            {badge.deploy_markdown ? (
              <div className="space-y-2">
                <img src="/api/v1/deploy-button.svg" alt="Deploy on Slipway" className="h-8" />
                <CodeBlock text={badge.deploy_markdown} label="Copy the button" />
                <p className="text-ink-3">
                  It opens the deploy page with this repository filled in.
                </p>
              </div>
            ) : null}
          </div>
        )}
      </QueryView>
    </Plate>
  );
}

/** On our own origin, whatever name this page was opened by. */
function pathOf(address: string): string {
  return new URL(address).pathname;
}
