/** Draws the lines of a log that are in sight; a part of its own, so that scrolling draws nothing else. */
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type ReactNode,
  type Ref,
  type RefObject,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
} from "react";

export const ROW = 22;

export interface WindowHandle {
  show: (row: number, align: "center" | "auto") => void;
  /** The first row in sight. */
  first: () => number;
}

export function LogWindow({
  handle,
  scroller,
  count,
  wide,
  wrap,
  stay,
  row,
}: {
  handle: Ref<WindowHandle>;
  scroller: RefObject<HTMLDivElement | null>;
  count: number;
  /** The longest line, in characters. */
  wide: number;
  wrap: boolean;
  /** Keeps the end in sight. */
  stay: boolean;
  row: (index: number) => ReactNode;
}) {
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 10,
    useAnimationFrameWithResizeObserver: true,
  });
  const size = virtual.getTotalSize();
  useImperativeHandle(handle, () => ({
    show: (at, align) => virtual.scrollToIndex(at, { align }),
    first: () => virtual.range?.startIndex ?? 0,
  }));
  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes are measured anew
  useEffect(() => virtual.measure(), [wrap]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new size is a reason to go to the end
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box && stay) box.scrollTop = box.scrollHeight;
  }, [scroller, stay, count, size]);
  const items = virtual.getVirtualItems();
  return (
    <div
      className="relative"
      style={{ height: size, minWidth: wrap ? undefined : `calc(${wide}ch + 11.5rem)` }}
    >
      <div
        className="absolute inset-x-0 top-0"
        style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}
      >
        {items.map((item) => (
          <div
            key={item.key}
            ref={wrap ? virtual.measureElement : undefined}
            data-index={item.index}
          >
            {row(item.index)}
          </div>
        ))}
      </div>
    </div>
  );
}
