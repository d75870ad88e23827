/** What lists of deployments share: the groups they are narrowed to, and their days. */
import { deploymentMoves } from "@/api/deployments";
import type { Deployment } from "@/api/types";

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

export function byDay<D extends Deployment>(items: D[]): [string, D[]][] {
  const days = new Map<string, D[]>();
  for (const one of items) {
    const day = DAY.format(new Date(one.created_at));
    days.set(day, [...(days.get(day) ?? []), one]);
  }
  return [...days];
}
