/** The navigation of narrow windows, and the theme for those who have not signed in. */

import { clsx } from "clsx";
import { Menu as Bars, Monitor, Moon, Sun } from "lucide-react";
import { IconButton } from "@/components/button";
import { Menu, MenuItem, MenuLabel, MenuLink, MenuRule } from "@/components/menu";
import { chooseTheme, useTheme } from "@/components/theme";
import { NAV } from "./nav";
import { OrganisationItems } from "./organisation-switcher";

export function NavMenu({ signedIn }: { signedIn: boolean }) {
  const { theme } = useTheme();
  return (
    <Menu
      label="Pages"
      trigger={
        <IconButton
          icon={Bars}
          label="Pages and appearance"
          className={clsx(
            "text-on-hull-2! hover:bg-hull-2! hover:text-on-hull!",
            signedIn && "lg:hidden",
          )}
        />
      }
    >
      {NAV.filter((item) => signedIn || !item.inside).map((item) => (
        <MenuLink key={item.to} to={item.to}>
          {item.label}
        </MenuLink>
      ))}
      {signedIn ? (
        <>
          <MenuRule />
          <OrganisationItems />
        </>
      ) : (
        <>
          <MenuRule />
          <MenuLabel>Appearance</MenuLabel>
          <MenuItem
            icon={Monitor}
            checked={theme === "system"}
            onSelect={() => chooseTheme("system")}
          >
            As the system
          </MenuItem>
          <MenuItem icon={Sun} checked={theme === "light"} onSelect={() => chooseTheme("light")}>
            Light
          </MenuItem>
          <MenuItem icon={Moon} checked={theme === "dark"} onSelect={() => chooseTheme("dark")}>
            Dark
          </MenuItem>
        </>
      )}
    </Menu>
  );
}
