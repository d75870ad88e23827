/** Modal surfaces: a dialog, and the question before something that cannot be undone. */

import { clsx } from "clsx";
import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { type ReactNode, useState } from "react";
import { Button, IconButton } from "./button";
import { TextField } from "./field";

interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description?: ReactNode;
  children?: ReactNode;
  /** Buttons, the safest first. */
  footer?: ReactNode;
  size?: "sm" | "md" | "lg";
  /** Cannot be closed by Escape or a click beside it. */
  firm?: boolean;
}

const CLOSED = { open: false, from: null };

export function Dialog({
  open,
  onOpenChange,
  title,
  description,
  children,
  footer,
  size = "md",
  firm = false,
}: DialogProps) {
  const [now, setNow] = useState<{ open: boolean; from: HTMLElement | null }>(CLOSED);
  // Read while it opens: what it is opened from may be gone once it is there.
  if (open !== now.open) setNow({ open, from: open ? opener() : now.from });
  const stay = firm ? (event: Event) => event.preventDefault() : undefined;
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay data-veil className="fixed inset-0 z-40 animate-fade bg-[#05141e]/60" />
        <Radix.Content
          {...(description ? {} : { "aria-describedby": undefined })}
          onOpenAutoFocus={begin}
          onCloseAutoFocus={(event) => {
            if (!now.from?.isConnected) return;
            event.preventDefault();
            now.from.focus();
          }}
          {...(stay
            ? { onEscapeKeyDown: stay, onPointerDownOutside: stay, onInteractOutside: stay }
            : {})}
          className={clsx(
            "fixed inset-x-3 bottom-3 z-50 mx-auto flex max-h-[calc(100dvh-1.5rem)] animate-rise flex-col rounded-lg bg-raised shadow-float ring-1 ring-line outline-none sm:top-[12vh] sm:bottom-auto sm:max-h-[76vh]",
            { sm: "max-w-md", md: "max-w-lg", lg: "max-w-3xl" }[size],
          )}
        >
          <header className="flex items-start gap-3 px-5 pt-4 pb-2">
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-lg">{title}</Radix.Title>
              {description ? (
                <Radix.Description asChild>
                  <div className="mt-1 text-sm text-ink-2">{description}</div>
                </Radix.Description>
              ) : null}
            </div>
            {firm ? null : (
              <Radix.Close asChild>
                <IconButton icon={X} label="Close" size="sm" tip={false} />
              </Radix.Close>
            )}
          </header>
          {children ? <div className="min-h-0 overflow-y-auto px-5 py-3">{children}</div> : null}
          {footer ? (
            <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3">
              {footer}
            </footer>
          ) : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** What has the focus; of a menu, which goes as the dialog comes, the button that opened it. */
function opener(): HTMLElement | null {
  const { activeElement } = document;
  const menu = activeElement?.closest("[role=menu]");
  const found = menu ? document.getElementById(menu.getAttribute("aria-labelledby") ?? "") : null;
  return found ?? (activeElement instanceof HTMLElement ? activeElement : null);
}

/** Where people go on: a field, a choice, or the safest button; not the cross that closes. */
function begin(event: Event): void {
  const box = event.currentTarget;
  if (!(box instanceof HTMLElement)) return;
  const first =
    box.querySelector<HTMLElement>("input:not([type=hidden]), select, textarea") ??
    box.querySelector<HTMLElement>("footer button");
  if (!first) return;
  event.preventDefault();
  first.focus();
}

interface ConfirmProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** What will happen, and what cannot be brought back. */
  children: ReactNode;
  action: string;
  /** Typed before the action can be pressed. */
  phrase?: string;
  busy?: boolean;
  danger?: boolean;
  onConfirm: () => void;
}

export function ConfirmDialog({
  open,
  onOpenChange,
  title,
  children,
  action,
  phrase,
  busy = false,
  danger = true,
  onConfirm,
}: ConfirmProps) {
  const [typed, setTyped] = useState("");
  const ready = phrase === undefined || typed.trim() === phrase;
  const change = (next: boolean) => {
    if (!next) setTyped("");
    onOpenChange(next);
  };
  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title={title}
      size="sm"
      footer={
        <>
          <Button onClick={() => change(false)}>Cancel</Button>
          <Button
            variant={danger ? "danger" : "primary"}
            type="submit"
            form="confirm-dialog"
            disabled={!ready}
            busy={busy}
          >
            {action}
          </Button>
        </>
      }
    >
      <form
        id="confirm-dialog"
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready && !busy) onConfirm();
        }}
      >
        <div className="space-y-2 text-sm text-ink-2">{children}</div>
        {phrase === undefined ? null : (
          <TextField
            label={
              <>
                Type <code className="rounded bg-sunk px-1 py-0.5">{phrase}</code> to confirm
              </>
            }
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </form>
    </Dialog>
  );
}
