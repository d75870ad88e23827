/** Knows which organisation calls are made for: client state, kept per browser. */
import { create } from "zustand";
import { persist } from "zustand/middleware";

interface Chosen {
  /** Null: the person's own. */
  id: string | null;
  /** It was given up because the person is not in it any more. */
  lost: boolean;
  choose: (id: string | null) => void;
  lose: (id: string) => void;
}

export const useOrganisation = create<Chosen>()(
  persist(
    (set) => ({
      id: null,
      lost: false,
      choose: (id) => set({ id, lost: false }),
      lose: (id) => set((now) => (now.id === id ? { id: null, lost: true } : now)),
    }),
    { name: "slipway.organisation", partialize: ({ id }) => ({ id }) },
  ),
);
