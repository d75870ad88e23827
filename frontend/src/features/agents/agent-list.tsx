/** A list of agents as long as it may be: only the rows in sight are drawn. */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ListedAgent } from "@/api/types";
import { AgentRow, ROW_HEIGHT } from "./agent-row";

const rowHeight = () => ROW_HEIGHT;

export function AgentList({ agents, onEnd }: { agents: ListedAgent[]; onEnd: () => void }) {
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const box = list.current?.getBoundingClientRect();
    if (box) setTop(box.top + window.scrollY);
  }, []);
  // The same function from drawing to drawing: another one would measure every row anew.
  const getItemKey = useCallback((index: number) => agents[index]?.id ?? index, [agents]);
  const rows = useWindowVirtualizer({
    count: agents.length,
    estimateSize: rowHeight,
    overscan: 6,
    useFlushSync: false,
    scrollMargin: top,
    getItemKey,
  });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  const told = useRef(onEnd);
  told.current = onEnd;
  useEffect(() => {
    if (last >= agents.length - 12) told.current();
  }, [last, agents.length]);
  return (
    <ul ref={list} className="relative contain-strict" style={{ height: rows.getTotalSize() }}>
      {items.map((item) => {
        const agent = agents[item.index];
        if (!agent) return null;
        return (
          <li
            key={item.key}
            aria-setsize={agents.length}
            aria-posinset={item.index + 1}
            className="absolute inset-x-0 top-0 border-b border-line contain-strict last:border-b-0"
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
