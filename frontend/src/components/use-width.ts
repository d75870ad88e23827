/** How wide something is drawn, kept up to date. */
import { type RefObject, useLayoutEffect, useState } from "react";

export function useWidth(ref: RefObject<HTMLElement | null>, first: number): number {
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setWidth(element.clientWidth || first);
    const watch = new ResizeObserver(() => setWidth(element.clientWidth || first));
    watch.observe(element);
    return () => watch.disconnect();
  }, [ref, first]);
  return width;
}
