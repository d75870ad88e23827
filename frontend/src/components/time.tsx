/** Times as people read them, kept fresh while they are looked at. */
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    now = Date.now();
    for (const told of listeners) told();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time, a second at a time; one clock for the whole page. */
export function useNow(): number {
  return useSyncExternalStore(
    subscribe,
    () => now,
    () => now,
  );
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function ago(when: number, from: number): string {
  const seconds = Math.round((from - when) / 1000);
  if (seconds < 3 && seconds > -30) return "just now";
  if (Math.abs(seconds) < 60) return relative.format(-seconds, "second");
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(-Math.round(seconds / size), unit);
}

/** "3 minutes ago", with the exact time on hover. `at`: an ISO 8601 time of the API. */
export function Ago({ at, className }: { at: string; className?: string }) {
  const from = useNow();
  const when = Date.parse(at);
  return (
    <time dateTime={at} title={absolute.format(when)} className={className}>
      {ago(when, Math.max(from, when - 2000))}
    </time>
  );
}

/** "in 6 days", with the exact time on hover; what is over is "2 hours ago". */
export function Until({ at, className }: { at: string; className?: string }) {
  const from = useNow();
  const when = Date.parse(at);
  return (
    <time dateTime={at} title={absolute.format(when)} className={className}>
      {ago(when, from)}
    </time>
  );
}

/** The exact time, in the reader's zone. */
export function Exact({ at, className }: { at: string; className?: string }) {
  return (
    <time dateTime={at} className={className}>
      {absolute.format(Date.parse(at))}
    </time>
  );
}

export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long something took, or has taken so far. */
export function Duration({ from, to }: { from: string; to?: string | undefined }) {
  return to === undefined ? <Running from={from} /> : duration(Date.parse(to) - Date.parse(from));
}

function Running({ from }: { from: string }) {
  const current = useNow();
  const seconds = Math.max(0, Math.floor((current - Date.parse(from)) / 1000));
  return <>{seconds < 60 ? `${seconds} s` : duration(seconds * 1000)}</>;
}

const BYTES = ["bytes", "kB", "MB", "GB", "TB"];
/** A size in decimal units, as the API counts. */
export function bytes(size: number): string {
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < BYTES.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTES[unit]}`;
}
