/** What the keyboard can always do: go to the main pages, deploy, change how things look. */
import { useMemo } from "react";
import { useNavigate } from "react-router";
import { create } from "zustand";
import { useSession } from "@/api/session";
import { type Command, useOffer } from "@/components/commands";
import { chooseTheme } from "@/components/theme";
import { useOrganisations } from "./use-organisations";

export const usePanels = create(() => ({ palette: false, shortcuts: false }));

export function useShellCommands(): void {
  const navigate = useNavigate();
  const signedIn = useSession(({ state }) => state === "signed-in");
  const { items, currentId, operator, switchTo } = useOrganisations();
  // biome-ignore lint/correctness/useExhaustiveDependencies: other than the names nothing matters
  const commands = useMemo(() => {
    const go = (id: string, title: string, to: string, keys?: string, also?: string): Command => ({
      id,
      title,
      group: "Go to",
      ...(keys ? { keys } : {}),
      ...(also ? { also } : {}),
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
      go("go-deployments", "Deployments", "/deployments", "g h", "history what happened"),
      go("go-organisation", "Organisation", "/organisation", "g o"),
      go("go-profile", "Profile", "/profile", "g p"),
      go("go-members", "Members", "/organisation", undefined, "people roles organisation"),
      go("go-invitations", "Invitations", "/organisation/invitations", undefined, "invite email"),
      go("go-audit", "Audit log", "/organisation/audit", "g u", "history who did what verify"),
      go("go-tokens", "API tokens", "/profile/tokens", "g t", "key secret"),
      go("go-sessions", "Sessions", "/profile/sessions", undefined, "signed in devices"),
      go("new-organisation", "New organisation", "/organisations/new", undefined, "create team"),
      ...(operator
        ? [go("go-operations", "Operations", "/operations", undefined, "budget orphans repairs")]
        : []),
      ...items
        .filter((one) => one.id !== currentId)
        .map(
          (one): Command => ({
            id: `work-in-${one.id}`,
            title: `Work in ${one.name}`,
            group: "Do",
            also: "organisation switch",
            run: () => switchTo(one),
          }),
        ),
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
  }, [navigate, signedIn, currentId, operator, items.map((one) => one.id + one.name).join()]);
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
