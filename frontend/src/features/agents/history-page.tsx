/** What was deployed lately, of all agents. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { Anchor } from "lucide-react";
import { deploymentMoves, recentDeploymentsQuery } from "@/api/deployments";
import { ButtonLink } from "@/components/button";
import { Empty } from "@/components/empty";
import { SelectField } from "@/components/field";
import { Page, Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { useSearch } from "@/components/use-search";
import { DeploymentRow } from "./deployment-row";
import { isLike, StateChoices, TimeLine } from "./time-line";

export function HistoryPage() {
  const [search, setSearch] = useSearch();
  const group = search.get("state") ?? "";
  const query = useInfiniteQuery({
    ...recentDeploymentsQuery,
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some(deploymentMoves)) ? 1000 : 15_000,
  });
  return (
    <Page
      title="Deployments"
      lead="What was deployed lately, of all agents."
      actions={
        <SelectField
          label="State"
          hideLabel
          value={group}
          onChange={({ target }) =>
            setSearch(target.value ? { state: target.value } : {}, {
              replace: true,
              preventScrollReset: true,
            })
          }
        >
          <StateChoices />
        </SelectField>
      }
    >
      <Plate flush>
        <QueryView
          query={query}
          loading={<SkeletonRows rows={8} height="h-15" />}
          isEmpty={(data) => data.pages.every((page) => page.items.length === 0)}
          empty={
            <Empty
              title="Nothing deployed yet"
              action={
                <ButtonLink to="/deploy" icon={Anchor} variant="primary">
                  Deploy an agent
                </ButtonLink>
              }
            >
              Each deployment is listed here, with what it did and how long it took.
            </Empty>
          }
        >
          {(data) => (
            <TimeLine
              items={data.pages.flatMap((page) => page.items).filter((one) => isLike(group, one))}
              heading="h2"
              earlier={query}
              onShowAll={() => setSearch({}, { replace: true })}
            >
              {(one) => (
                <DeploymentRow
                  key={one.id}
                  deployment={one}
                  agentName={one.agent?.name ?? "A deleted agent"}
                />
              )}
            </TimeLine>
          )}
        </QueryView>
      </Plate>
    </Page>
  );
}
