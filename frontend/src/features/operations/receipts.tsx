/** What the code host has told that concerns no agent, and so no organisation can see. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { receiptsQuery } from "@/api/operations";
import type { Receipt } from "@/api/types";
import { Button } from "@/components/button";
import { Empty } from "@/components/empty";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Status, type Tone } from "@/components/status";
import { Ago, bytes } from "@/components/time";

export function Receipts() {
  const query = useInfiniteQuery(receiptsQuery);
  return (
    <Plate flush title="Calls for no agent" note="from GitHub; thirty days, newest first">
      <QueryView
        query={query}
        loading={<SkeletonRows rows={1} height="h-16" />}
        isEmpty={(data) => data.pages.every(({ items }) => items.length === 0)}
        empty={
          <Empty quiet title="No such calls">
            All that has arrived is with the agents that it concerns.
          </Empty>
        }
      >
        {(data) => (
          <>
            <ol className="divide-y divide-line">
              {data.pages
                .flatMap(({ items }) => items)
                .map((one) => (
                  <Row key={one.id} receipt={one} />
                ))}
            </ol>
            {query.hasNextPage ? (
              <div className="flex justify-center border-t border-line p-3">
                <Button busy={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
                  Earlier calls
                </Button>
              </div>
            ) : null}
          </>
        )}
      </QueryView>
    </Plate>
  );
}

function Row({ receipt }: { receipt: Receipt }) {
  const whose = receipt.repository || receipt.account;
  return (
    <li className="flex flex-wrap items-start gap-x-4 gap-y-1.5 px-4 py-3 text-sm">
      <Status {...standing(receipt)} className="w-32 shrink-0" />
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span className="font-[600]">
            {receipt.event || "A call"}
            {receipt.action ? ` ${receipt.action}` : ""}
          </span>
          {whose ? <span className="min-w-0 break-all text-ink-2">{whose}</span> : null}
        </p>
        <p className="mt-0.5 break-words text-ink-2">{receipt.detail}</p>
        <p className="figures mt-0.5 flex flex-wrap gap-x-3 text-xs leading-5 text-ink-3">
          <Ago at={receipt.received_at} />
          <span>{bytes(receipt.size)}</span>
          <code>{receipt.code}</code>
          {receipt.installation_id ? <span>installation {receipt.installation_id}</span> : null}
          {receipt.source === "app" ? null : <code className="break-all">{receipt.source}</code>}
          {receipt.guid ? <code className="break-all">{receipt.guid}</code> : null}
        </p>
      </div>
    </li>
  );
}

function standing({ state, code }: Receipt): { tone: Tone; label: string } {
  if (state === "refused") return { tone: "failed", label: "Refused" };
  if (code.startsWith("payload_")) return { tone: "failed", label: "Unreadable" };
  if (code === "ping" || code === "installation") return { tone: "live", label: "Noted" };
  return { tone: "ended", label: "Ignored" };
}
