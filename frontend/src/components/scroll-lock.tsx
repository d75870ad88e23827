/**
 * Stands in for `react-remove-scroll`, which Radix uses behind modal surfaces: that package writes
 * a <style> element, and our content security policy has none. The page is held still by an
 * attribute that app.css knows. If a scrollbar takes up room, its place stays reserved, so nothing
 * moves.
 */
import { Slot } from "radix-ui";
import { type ComponentProps, type ElementType, useEffect } from "react";

let locks = 0;

interface Props extends ComponentProps<"div"> {
  as?: ElementType;
  enabled?: boolean;
  allowPinchZoom?: boolean;
  shards?: unknown[];
  removeScrollBar?: boolean;
  noIsolation?: boolean;
  inert?: boolean;
}

export function RemoveScroll({
  as: As = "div",
  enabled = true,
  allowPinchZoom: _pinch,
  shards: _shards,
  removeScrollBar: _bar,
  noIsolation: _isolation,
  inert: _inert,
  ...rest
}: Props) {
  useEffect(() => {
    if (!enabled) return;
    const { documentElement: root } = document;
    if (locks === 0) {
      const bar = window.innerWidth > root.clientWidth;
      root.setAttribute("data-scroll-locked", bar ? "bar" : "");
    }
    locks += 1;
    return () => {
      locks -= 1;
      if (locks === 0) root.removeAttribute("data-scroll-locked");
    };
  }, [enabled]);
  const Element = As === "div" ? As : Slot.Root;
  return <Element {...rest} />;
}
RemoveScroll.classNames = { fullWidth: "", zeroRight: "" };
