/**
 * Short messages about what was just done. They stand at the lower edge, the page makes room for
 * them so that nothing under them is out of reach, and they wait while they are hovered or focused.
 */
import { X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { create } from "zustand";
import { Button, IconButton } from "./button";
import { Light, type Tone } from "./status";

interface Message {
  id: number;
  tone: Tone;
  text: string;
  detail?: string | undefined;
  action?: { label: string; run: () => void } | undefined;
}

interface Extras {
  detail?: string | undefined;
  /** Most often: undo. */
  action?: { label: string; run: () => void } | undefined;
}

const useMessages = create<{ items: Message[] }>(() => ({ items: [] }));
let next = 1;

function say(tone: Tone, text: string, extras: Extras = {}): void {
  const message = { id: next++, tone, text, ...extras };
  useMessages.setState(({ items }) => ({ items: [...items.slice(-2), message] }));
}

function dismiss(id: number): void {
  useMessages.setState(({ items }) => ({ items: items.filter((one) => one.id !== id) }));
}

export const toast = {
  done: (text: string, extras?: Extras) => say("live", text, extras),
  note: (text: string, extras?: Extras) => say("resting", text, extras),
  failed: (error: unknown, text?: string) => {
    const told = error as { title?: string; detail?: string; message?: string };
    say("failed", text ?? told.title ?? "That did not work", {
      detail: told.detail ?? told.message,
    });
  },
};

export function Toasts() {
  const { items } = useMessages();
  const region = useRef<HTMLElement>(null);
  const [height, setHeight] = useState(0);
  useEffect(() => setHeight(items.length ? (region.current?.offsetHeight ?? 0) : 0), [items]);
  return (
    <>
      <div aria-hidden="true" style={{ height }} />
      <section
        ref={region}
        aria-label="Messages"
        aria-live="polite"
        className="pointer-events-none fixed right-0 bottom-0 z-30 flex w-full flex-col gap-2 p-3 sm:w-96"
      >
        {items.map((message) => (
          <Card key={message.id} message={message} />
        ))}
      </section>
    </>
  );
}

function Card({ message }: { message: Message }) {
  const [held, setHeld] = useState(false);
  const lasting = message.tone === "failed" || message.action ? 12_000 : 5_000;
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => dismiss(message.id), lasting);
    return () => clearTimeout(timer);
  }, [held, lasting, message.id]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: holding only keeps the message longer
    <div
      className="pointer-events-auto flex animate-rise items-start gap-2.5 rounded-lg bg-raised py-2 pr-1.5 pl-3.5 text-sm shadow-float ring-1 ring-line"
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <Light tone={message.tone} className="mt-2" />
      <div className="min-w-0 flex-1 py-1">
        <p className="font-[560]">{message.text}</p>
        {message.detail ? <p className="break-words text-ink-2">{message.detail}</p> : null}
      </div>
      {message.action ? (
        <Button
          size="sm"
          variant="quiet"
          onClick={() => {
            message.action?.run();
            dismiss(message.id);
          }}
        >
          {message.action.label}
        </Button>
      ) : null}
      <IconButton icon={X} label="Dismiss" size="sm" onClick={() => dismiss(message.id)} />
    </div>
  );
}
