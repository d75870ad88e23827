/** A list of agents as long as it may be: only the rows in sight are drawn. */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ListedAgent } from "@/api/types";
import { AgentRow, ROW_HEIGHT } from "./agent-row";
import { Slots } from "./slots";

const rowHeight = () => ROW_HEIGHT;

export function AgentList({ agents, onEnd }: { agents: ListedAgent[]; onEnd: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const found = box.current?.getBoundingClientRect();
    if (found) setTop(found.top + window.scrollY);
  }, []);
  const rows = useWindowVirtualizer({
    count: agents.length,
    estimateSize: rowHeight,
    overscan: 6,
    useFlushSync: false,
    scrollMargin: top,
  });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  const told = useRef(onEnd);
  told.current = onEnd;
  useEffect(() => {
    if (last >= agents.length - 12) told.current();
  }, [last, agents.length]);
  const shown = items.flatMap(({ index }) => {
    const agent = agents[index];
    return agent ? [{ agent, index }] : [];
  });
  const slots = useRef(new Slots());
  const slotOf = slots.current.give(
    shown.map(({ agent }) => agent.id),
    () => slotInUse(list.current),
  );
  return (
    <div
      ref={box}
      className="relative contain-strict [overflow-anchor:none]"
      style={{ height: rows.getTotalSize() }}
    >
      <ul
        ref={list}
        className="absolute inset-x-0 top-0"
        style={{ transform: `translateY(${(items[0]?.start ?? top) - top}px)` }}
      >
        {shown.map(({ agent, index }) => {
          const slot = slotOf(agent.id);
          return (
            <li
              key={slot}
              data-slot={slot}
              aria-setsize={agents.length}
              aria-posinset={index + 1}
              className="border-b border-line contain-strict last:border-b-0"
              style={{ height: ROW_HEIGHT }}
            >
              <AgentRow agent={agent} />
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** Where the keyboard stands: it must not find itself at another agent. */
function slotInUse(list: HTMLElement | null): number | undefined {
  const focused = document.activeElement?.closest<HTMLElement>("[data-slot]");
  return focused && list?.contains(focused) ? Number(focused.dataset.slot) : undefined;
}
