/** Where the person works: their own organisation, or one they are a member of. */
import { ChevronsUpDown, Plus, Settings } from "lucide-react";
import { Menu, MenuItem, MenuLabel, MenuLink, MenuRule } from "@/components/menu";
import { useFreshOnSwitch, useOrganisations } from "./use-organisations";

export function OrganisationSwitcher() {
  const { currentName } = useOrganisations();
  useFreshOnSwitch();
  return (
    <div className="hidden border-l border-white/15 pl-2 md:block">
      <Menu
        align="start"
        label="Organisations"
        trigger={
          <button
            type="button"
            aria-label={`Organisation: ${currentName ?? "loading"}. Choose another`}
            className="flex h-8 w-32 items-center justify-between gap-1.5 text-left lg:w-44 rounded px-2 text-sm text-on-hull-2 hover:bg-hull-2 hover:text-on-hull"
          >
            <span className="truncate">{currentName ?? "…"}</span>
            <ChevronsUpDown size={14} aria-hidden="true" className="shrink-0 opacity-70" />
          </button>
        }
      >
        <OrganisationItems />
      </Menu>
    </div>
  );
}

/** The entries: each organisation, a new one, the settings of this one. */
export function OrganisationItems() {
  const { items, currentId, switchTo } = useOrganisations();
  return (
    <>
      <MenuLabel>Organisation</MenuLabel>
      {items.map((one) => (
        <MenuItem
          key={one.id}
          checked={one.id === currentId}
          note={one.closes_at ? "being deleted" : one.personal ? "yours alone" : one.role}
          onSelect={() => switchTo(one)}
        >
          {one.name}
        </MenuItem>
      ))}
      <MenuRule />
      <MenuLink to="/organisation" icon={Settings}>
        Members and settings
      </MenuLink>
      <MenuLink to="/organisations/new" icon={Plus}>
        New organisation
      </MenuLink>
    </>
  );
}
