/** Knows which theme is on: the system's, or the one that was chosen here. */
import { create } from "zustand";

export type Theme = "system" | "light" | "dark";
const KEY = "slipway.theme";

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

export const useTheme = create<{ theme: Theme }>(() => ({ theme: stored() }));

/** Puts the theme on the page; called once before anything is drawn. */
export function applyTheme(theme: Theme = useTheme.getState().theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function chooseTheme(theme: Theme): void {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Private windows may have no storage: the choice then holds for this page.
  }
  useTheme.setState({ theme });
  applyTheme(theme);
}
