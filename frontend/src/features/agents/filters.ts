/** Knows how a list of agents is narrowed down, and into which lots it falls. */
import type { ListedAgent } from "@/api/types";
import { standingOf } from "./standing";

export const LOTS = [
  { id: "live", label: "Live", tone: "live" },
  { id: "moving", label: "On the way", tone: "moving" },
  { id: "attention", label: "Need a look", tone: "failed" },
  { id: "resting", label: "Resting", tone: "resting" },
  { id: "idle", label: "Not deployed", tone: "ended" },
] as const;
export type Lot = (typeof LOTS)[number]["id"];

export function lotOf(agent: ListedAgent): Lot {
  const { tone } = standingOf(agent);
  if (tone === "live" || tone === "moving") return tone;
  if (tone === "failed" || tone === "warning") return "attention";
  return agent.production ? "resting" : "idle";
}

export interface Filter {
  text: string;
  lot: string;
  runtime: string;
}

export function isNarrowed(filter: Filter): boolean {
  return filter.text !== "" || filter.lot !== "" || filter.runtime !== "";
}

export function matches(agent: ListedAgent, { text, lot, runtime }: Filter): boolean {
  if (lot && lotOf(agent) !== lot) return false;
  if (runtime && agent.runtime !== runtime) return false;
  if (!text) return true;
  const where = `${agent.name} ${agent.slug} ${agent.id} ${agent.description} ${agent.category}`;
  const words = text.toLocaleLowerCase().split(/\s+/);
  return words.every((word) => where.toLocaleLowerCase().includes(word));
}

export function countLots(agents: ListedAgent[]): Record<Lot, number> {
  const counts = { live: 0, moving: 0, attention: 0, resting: 0, idle: 0 };
  for (const agent of agents) counts[lotOf(agent)] += 1;
  return counts;
}
