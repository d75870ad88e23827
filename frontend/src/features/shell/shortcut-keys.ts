/** Turns keys into commands: single ones, two in a row ("g a"), and with Ctrl or ⌘ ("mod+k"). */
import { useEffect } from "react";
import { create } from "zustand";
import { persist } from "zustand/middleware";
import { useCommands } from "@/components/commands";
import { usePanels } from "./shell-commands";

/** Single keys can be switched off: speech input types them by accident. */
export const useSingleKeys = create<{ on: boolean }>()(
  persist((): { on: boolean } => ({ on: true }), { name: "slipway.single-keys" }),
);

const PAUSE = 900;

export function useShortcuts(): void {
  useEffect(() => {
    let first = "";
    let at = 0;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || event.altKey) return;
      const mod = event.ctrlKey || event.metaKey;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const { palette, shortcuts } = usePanels.getState();
      // A panel that was opened this moment may not be there yet: what is typed is meant for it.
      if (!mod && (palette || shortcuts)) return;
      if (!mod && (!useSingleKeys.getState().on || typing(event.target))) return;
      const { items } = useCommands.getState();
      const pair = first && event.timeStamp - at < PAUSE ? `${first} ${key}` : "";
      const wanted = mod ? [`mod+${key}`] : [pair, key].filter(Boolean);
      const command = wanted
        .map((keys) => items.findLast((one) => one.keys === keys))
        .find((found) => found !== undefined);
      if (command) {
        event.preventDefault();
        first = "";
        command.run();
        return;
      }
      first = mod ? "" : key;
      at = event.timeStamp;
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  return (
    target.closest("input, textarea, select, [contenteditable], [role=dialog], [role=menu]") !==
    null
  );
}
