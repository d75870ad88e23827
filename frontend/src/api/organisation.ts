/** Knows which organisation calls are made for: client state, kept per browser. */
import { create } from "zustand";
import { persist } from "zustand/middleware";

interface Chosen {
  /** Null: the person's own. */
  id: string | null;
  choose: (id: string | null) => void;
}

export const useOrganisation = create<Chosen>()(
  persist((set) => ({ id: null, choose: (id) => set({ id }) }), { name: "slipway.organisation" }),
);
