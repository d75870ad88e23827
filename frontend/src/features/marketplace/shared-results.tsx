/** What is found beside the public agents: of one's own organisation, and shared by others. */
import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import type { Wanted } from "@/api/marketplace";
import { useSession } from "@/api/session";
import { sharedQuery } from "@/api/sharing";
import type { SharedCard } from "@/api/types";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Tag } from "@/components/status";
import { Emblem } from "./card";

const SHOWN: Record<SharedCard["shown_by"], string> = {
  member: "your organisation's",
  organisation: "shared with your organisation",
  person: "shared with you",
};

/** Asked for as soon as somebody has signed in. */
export function useShared(wanted: Wanted) {
  const signedIn = useSession(({ state }) => state === "signed-in");
  return useQuery({ ...sharedQuery(wanted), enabled: signedIn });
}

export function SharedResults({
  query,
  quiet,
}: {
  query: UseQueryResult<{ items: SharedCard[] }>;
  /** What keeps the public ones away is told already. */
  quiet: boolean;
}) {
  if (query.error && !query.data) {
    return quiet ? null : (
      <Problem compact error={query.error} retry={() => query.refetch()} className="mb-5" />
    );
  }
  const cards = query.data?.items ?? [];
  if (cards.length === 0) return null;
  return (
    <Plate title="Not public" note="you see these, not everybody" flush className="mb-6">
      <ul aria-label="Agents that are not public" className="divide-y divide-line">
        {cards.map((card) => (
          <li
            key={card.offer_id}
            className="relative flex items-start gap-3 px-4 py-3 hover:bg-sunk/50"
          >
            <Emblem picture={card.picture} icon={card.icon} name={card.name} />
            <div className="min-w-0 flex-1">
              <h3 className="text-base leading-snug">
                <Link
                  to={`/marketplace/shared/${card.offer_id}`}
                  className="break-words after:absolute after:inset-0 hover:underline"
                >
                  <bdi>{card.name}</bdi>
                </Link>
              </h3>
              <p className="line-clamp-2 text-sm break-words text-ink-2">
                {card.summary || `by ${card.publisher}`}
              </p>
            </div>
            <Tag>{SHOWN[card.shown_by]}</Tag>
          </li>
        ))}
      </ul>
    </Plate>
  );
}
