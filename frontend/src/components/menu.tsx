/** A list of actions behind one button. */

import { clsx } from "clsx";
import { Check, type LucideIcon } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import { type ReactElement, type ReactNode, useState } from "react";
import { Link } from "react-router";
import { portalHost } from "./portal-host";

const ITEM =
  "flex w-full items-center gap-2.5 rounded-sm px-2.5 py-1.5 text-sm outline-none select-none data-highlighted:bg-sunk data-disabled:opacity-50";

export function Menu({
  trigger,
  children,
  label,
  align = "end",
}: {
  trigger: ReactElement;
  children: ReactNode;
  /** What the list holds, read out. */
  label?: string;
  align?: "start" | "end";
}) {
  // Known here, so that its place is looked for when it opens, not when the page is drawn.
  const [open, setOpen] = useState(false);
  return (
    <Radix.Root modal={false} open={open} onOpenChange={setOpen}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal container={open ? portalHost() : null}>
        <Radix.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          {...(label ? { "aria-label": label } : {})}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-52 animate-fade overflow-y-auto rounded-lg bg-raised p-1 text-ink shadow-float ring-1 ring-line"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ItemProps {
  icon?: LucideIcon;
  children: ReactNode;
  danger?: boolean;
  disabled?: boolean;
  checked?: boolean;
  /** Shown at the far end: a shortcut, a role. */
  note?: ReactNode;
}

export function MenuItem({ onSelect, ...item }: ItemProps & { onSelect: () => void }) {
  return (
    <Radix.Item
      className={clsx(ITEM, "cursor-pointer", item.danger && "text-port")}
      disabled={item.disabled ?? false}
      onSelect={onSelect}
    >
      <Inside {...item} />
    </Radix.Item>
  );
}

export function MenuLink({ to, ...item }: ItemProps & { to: string }) {
  return (
    <Radix.Item asChild disabled={item.disabled ?? false}>
      <Link to={to} className={clsx(ITEM, item.danger && "text-port")}>
        <Inside {...item} />
      </Link>
    </Radix.Item>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return <Radix.Label className="px-2.5 pt-2 pb-1 text-xs text-ink-3">{children}</Radix.Label>;
}

export function MenuRule() {
  return <Radix.Separator className="my-1 h-px bg-line" />;
}

function Inside({ icon: Icon, children, note, checked }: ItemProps) {
  return (
    <>
      {Icon ? <Icon size={15} aria-hidden="true" className="shrink-0 opacity-80" /> : null}
      <span className="min-w-0 flex-1 truncate">{children}</span>
      {note ? <span className="text-xs text-ink-3">{note}</span> : null}
      {checked ? <Check size={15} aria-label="chosen" className="text-sea" /> : null}
    </>
  );
}
