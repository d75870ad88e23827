/** What the keyboard can always do: go to the main pages, deploy, change how things look. */
import { useMemo } from "react";
import { useNavigate } from "react-router";
import { create } from "zustand";
import { useSession } from "@/api/session";
import { type Command, useOffer } from "@/components/commands";
import { chooseTheme } from "@/components/theme";

export const usePanels = create(() => ({ palette: false, shortcuts: false }));

export function useShellCommands(): void {
  const navigate = useNavigate();
  const signedIn = useSession(({ state }) => state === "signed-in");
  const commands = useMemo(() => {
    const go = (id: string, title: string, to: string, keys?: string): Command => ({
      id,
      title,
      group: "Go to",
      ...(keys ? { keys } : {}),
      run: () => navigate(to),
    });
    const always: Command[] = [
      go("go-marketplace", "Marketplace", "/marketplace", "g m"),
      {
        id: "palette",
        title: "Find or do",
        group: "Do",
        keys: "mod+k",
        run: () => usePanels.setState(({ palette }) => ({ palette: !palette })),
      },
      {
        id: "shortcuts",
        title: "Keyboard shortcuts",
        group: "Do",
        keys: "?",
        run: () => usePanels.setState({ shortcuts: true }),
      },
      theme("light", "Light appearance"),
      theme("dark", "Dark appearance"),
      theme("system", "Appearance as the system"),
    ];
    if (!signedIn) return [...always, go("go-sign-in", "Sign in", "/sign-in")];
    return [
      go("go-agents", "Agents", "/agents", "g a"),
      go("go-organisation", "Organisation", "/organisation", "g o"),
      go("go-profile", "Profile", "/profile", "g p"),
      {
        id: "deploy",
        title: "Deploy an agent",
        group: "Do" as const,
        keys: "n",
        also: "new upload drop template create",
        run: () => navigate("/deploy"),
      },
      ...always,
    ];
  }, [navigate, signedIn]);
  useOffer(commands);
}

function theme(name: "light" | "dark" | "system", title: string): Command {
  return {
    id: `theme-${name}`,
    title,
    group: "Appearance",
    also: "theme mode colour",
    run: () => chooseTheme(name),
  };
}
