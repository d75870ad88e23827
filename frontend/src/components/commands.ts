/** Knows what can be done by keyboard just now: pages add their commands, the shell offers them. */
import { useEffect } from "react";
import { create } from "zustand";

export interface Command {
  id: string;
  title: string;
  /** Where it stands in the palette. */
  group: "Go to" | "Do" | "This page" | "Appearance";
  /** Keys pressed one after the other, as "g a", or together, as "mod+k". */
  keys?: string;
  /** More words it is found by. */
  also?: string;
  run: () => void;
}

export const useCommands = create<{ items: Command[] }>(() => ({ items: [] }));

/** Offers these commands as long as the caller is on the page. Keep the list stable (useMemo). */
export function useOffer(commands: Command[]): void {
  useEffect(() => {
    const ids = new Set(commands.map((command) => command.id));
    useCommands.setState(({ items }) => ({
      items: [...items.filter((one) => !ids.has(one.id)), ...commands],
    }));
    return () =>
      useCommands.setState(({ items }) => ({
        items: items.filter((one) => !commands.includes(one)),
      }));
  }, [commands]);
}
