/** The signed-in person: profile, appearance, shortcuts, sign out. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Gauge, Keyboard, KeyRound, LogOut, Monitor, Moon, Sun, User } from "lucide-react";
import { useNavigate } from "react-router";
import { meQuery } from "@/api/account";
import { forgetAnswers } from "@/api/client";
import { useOrganisation } from "@/api/organisation";
import { signOut, useSession } from "@/api/session";
import { Menu, MenuItem, MenuLabel, MenuLink, MenuRule } from "@/components/menu";
import { chooseTheme, useTheme } from "@/components/theme";
import { usePanels } from "./shell-commands";

export function AccountMenu() {
  const user = useSession(({ user }) => user);
  const signedIn = useSession(({ state }) => state === "signed-in");
  const operator = useQuery({ ...meQuery, enabled: signedIn }).data?.operator;
  const { theme } = useTheme();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const name = user?.name || user?.email || "";
  return (
    <Menu
      label="You and this browser"
      trigger={
        <button
          type="button"
          aria-label={`Account of ${name}`}
          className="flex size-8 items-center justify-center rounded-full bg-hull-2 text-sm font-[640] text-on-hull uppercase ring-1 ring-white/25 hover:ring-white/60"
        >
          {[...name][0] ?? "·"}
        </button>
      }
    >
      <div className="px-2.5 pt-1.5 pb-2">
        <p className="truncate text-sm font-[600]">{user?.name || user?.email}</p>
        <p className="truncate text-xs text-ink-3">{user?.email}</p>
      </div>
      <MenuRule />
      <MenuLink to="/profile" icon={User}>
        Profile
      </MenuLink>
      <MenuLink to="/profile/tokens" icon={KeyRound}>
        API tokens
      </MenuLink>
      {operator ? (
        <MenuLink to="/operations" icon={Gauge}>
          Operations
        </MenuLink>
      ) : null}
      <MenuItem icon={Keyboard} note="?" onSelect={() => usePanels.setState({ shortcuts: true })}>
        Keyboard shortcuts
      </MenuItem>
      <MenuRule />
      <MenuLabel>Appearance</MenuLabel>
      <MenuItem icon={Monitor} checked={theme === "system"} onSelect={() => chooseTheme("system")}>
        As the system
      </MenuItem>
      <MenuItem icon={Sun} checked={theme === "light"} onSelect={() => chooseTheme("light")}>
        Light
      </MenuItem>
      <MenuItem icon={Moon} checked={theme === "dark"} onSelect={() => chooseTheme("dark")}>
        Dark
      </MenuItem>
      <MenuRule />
      <MenuItem
        icon={LogOut}
        onSelect={async () => {
          await signOut();
          useOrganisation.getState().choose(null);
          forgetAnswers();
          queries.clear();
          navigate("/");
        }}
      >
        Sign out
      </MenuItem>
    </Menu>
  );
}
