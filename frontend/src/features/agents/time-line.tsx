/** What lists of deployments share: the groups they are narrowed to, and their days. */
import type { ReactNode } from "react";
import { deploymentMoves } from "@/api/deployments";
import type { Deployment } from "@/api/types";
import { Button } from "@/components/button";
import { Empty } from "@/components/empty";

const GROUPS: Record<string, (one: Deployment) => boolean> = {
  "": () => true,
  serving: (one) => ["live", "asleep", "crashed"].includes(one.state),
  moving: deploymentMoves,
  unhappy: (one) => ["failed", "crashed", "rolled_back", "cancelled"].includes(one.state),
};

export function isLike(group: string, one: Deployment): boolean {
  return (GROUPS[group] ?? (() => true))(one);
}

export function StateChoices() {
  return (
    <>
      <option value="">All states</option>
      <option value="serving">Serving</option>
      <option value="moving">On the way</option>
      <option value="unhappy">Failed or cancelled</option>
    </>
  );
}

const DAY = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});

function byDay<D extends Deployment>(items: D[]): [string, D[]][] {
  const days = new Map<string, D[]>();
  for (const one of items) {
    const day = DAY.format(new Date(one.created_at));
    days.set(day, [...(days.get(day) ?? []), one]);
  }
  return [...days];
}

/** Deployments by their days, and the way to earlier ones. */
export function TimeLine<D extends Deployment>({
  items,
  heading: Heading,
  earlier,
  onShowAll,
  children,
}: {
  items: D[];
  heading: "h2" | "h3";
  earlier: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
  onShowAll: () => void;
  children: (one: D) => ReactNode;
}) {
  const days = byDay(items);
  return (
    <>
      {days.length === 0 ? (
        <Empty title="None of these" action={<Button onClick={onShowAll}>Show all</Button>}>
          No deployment read so far is in that state.
        </Empty>
      ) : null}
      {days.map(([day, ofDay]) => (
        <section key={day} aria-label={day} className="border-b border-line last:border-b-0">
          <Heading className="stencil bg-sunk/50 px-4 py-1.5 text-ink-3">{day}</Heading>
          <ol className="divide-y divide-line">{ofDay.map(children)}</ol>
        </section>
      ))}
      {earlier.hasNextPage ? (
        <div className="flex justify-center border-t border-line p-3">
          <Button busy={earlier.isFetchingNextPage} onClick={() => earlier.fetchNextPage()}>
            Earlier deployments
          </Button>
        </div>
      ) : null}
    </>
  );
}
