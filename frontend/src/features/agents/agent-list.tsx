/** A list of agents as long as it may be: only the rows in sight are drawn. */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ListedAgent } from "@/api/types";
import { AgentRow, ROW_HEIGHT } from "./agent-row";

export function AgentList({ agents, onEnd }: { agents: ListedAgent[]; onEnd: () => void }) {
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const box = list.current?.getBoundingClientRect();
    if (box) setTop(box.top + window.scrollY);
  }, []);
  const rows = useWindowVirtualizer({
    count: agents.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
    scrollMargin: top,
    getItemKey: (index) => agents[index]?.id ?? index,
  });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  const told = useRef(onEnd);
  told.current = onEnd;
  useEffect(() => {
    if (last >= agents.length - 12) told.current();
  }, [last, agents.length]);
  return (
    <ul ref={list} className="relative" style={{ height: rows.getTotalSize() }}>
      {items.map((item) => {
        const agent = agents[item.index];
        if (!agent) return null;
        return (
          <li
            key={item.key}
            aria-setsize={agents.length}
            aria-posinset={item.index + 1}
            className="absolute inset-x-0 top-0 border-b border-line last:border-b-0"
            style={{
              height: ROW_HEIGHT,
              transform: `translateY(${item.start - top}px)`,
            }}
          >
            <AgentRow agent={agent} />
          </li>
        );
      })}
    </ul>
  );
}
