/** The dashboard: every agent of the organisation. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { agentsQuery } from "@/api/agents";
import { ButtonLink } from "@/components/button";
import { Empty } from "@/components/empty";
import { Page, Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { Tag } from "@/components/status";
import { Ago } from "@/components/time";

export function AgentsPage() {
  const query = useInfiniteQuery(agentsQuery);
  return (
    <Page title="Agents">
      <Plate flush>
        <QueryView
          query={query}
          isEmpty={(data) => data.pages.every((page) => page.items.length === 0)}
          empty={
            <Empty
              title="No agents yet"
              action={
                <ButtonLink to="/deploy" variant="primary">
                  Deploy the first one
                </ButtonLink>
              }
            >
              Drop a folder or choose a template: it is live within a minute.
            </Empty>
          }
        >
          {(data) => (
            <ul className="divide-y divide-line">
              {data.pages
                .flatMap((page) => page.items)
                .map((agent) => (
                  <li key={agent.id} className="flex items-center gap-3 px-4 py-3">
                    <Link to={`/agents/${agent.id}`} className="font-[600] hover:underline">
                      {agent.name}
                    </Link>
                    {agent.runtime ? <Tag>{agent.runtime}</Tag> : null}
                    <Ago at={agent.updated_at} className="ml-auto text-sm text-ink-3" />
                  </li>
                ))}
            </ul>
          )}
        </QueryView>
      </Plate>
    </Page>
  );
}
