/** What was deployed lately, of all agents. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Anchor } from "lucide-react";
import { useSearchParams } from "react-router";
import { deploymentMoves, recentDeploymentsQuery } from "@/api/deployments";
import { Button, ButtonLink } from "@/components/button";
import { Empty } from "@/components/empty";
import { SelectField } from "@/components/field";
import { Page, Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { DeploymentRow } from "./deployment-row";
import { byDay, isLike, StateChoices } from "./time-line";

export function HistoryPage() {
  const [search, setSearch] = useSearchParams();
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
              Each deployment stands here, with what it did and how long it took.
            </Empty>
          }
        >
          {(data) => {
            const read = data.pages.flatMap((page) => page.items);
            const days = byDay(read.filter((one) => isLike(group, one)));
            return (
              <>
                {days.length === 0 ? (
                  <Empty
                    title="None of these"
                    action={
                      <Button onClick={() => setSearch({}, { replace: true })}>Show all</Button>
                    }
                  >
                    No deployment read so far is like that.
                  </Empty>
                ) : null}
                {days.map(([day, items]) => (
                  <section
                    key={day}
                    aria-label={day}
                    className="border-b border-line last:border-b-0"
                  >
                    <h2 className="stencil bg-sunk/50 px-4 py-1.5 text-ink-3">{day}</h2>
                    <ol className="divide-y divide-line">
                      {items.map((one) => (
                        <DeploymentRow
                          key={one.id}
                          deployment={one}
                          agentName={one.agent?.name ?? "A deleted agent"}
                        />
                      ))}
                    </ol>
                  </section>
                ))}
                {query.hasNextPage ? (
                  <div className="flex justify-center border-t border-line p-3">
                    <Button busy={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
                      Earlier deployments
                    </Button>
                  </div>
                ) : null}
              </>
            );
          }}
        </QueryView>
      </Plate>
    </Page>
  );
}
