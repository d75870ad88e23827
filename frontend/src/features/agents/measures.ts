/** Reads the host's series as what people look at, in units people know. */
import type { Series } from "@/components/chart";

type Raw = { [name: string]: { at: number; value: number }[] };

interface Measured {
  label: string;
  points: { t: number; v: number }[];
  format: (value: number) => string;
}

export interface Measures {
  cpu: Measured;
  memory: Measured;
  received: Measured;
  sent: Measured;
  requests: Series[];
}

/** Of one processor core, in percent. */
const percent = (value: number): string => {
  const of = value * 100;
  return `${of >= 10 ? Math.round(of) : Number(of.toPrecision(2))} %`;
};
const UNITS = ["B", "kB", "MB", "GB", "TB"];
/** Short, for axes. */
const size = (value: number): string => {
  const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${UNITS[power]}`;
};
const count = (value: number): string => Math.round(value).toLocaleString("en");

export function readMetrics(raw: Raw | undefined): Measures {
  const series = raw ?? {};
  const points = (name: string, by = 1) =>
    (series[name] ?? []).map(({ at, value }) => ({ t: at * 1000, v: value * by }));
  return {
    cpu: { label: "CPU, of a core", points: points("cpu"), format: percent },
    memory: { label: "Memory", points: points("memory_gb", 1e9), format: size },
    received: { label: "Received", points: points("received_gb", 1e9), format: size },
    sent: { label: "Sent", points: points("sent_gb", 1e9), format: size },
    requests: requestsOf(series),
  };
}

const CLASSES: [string, string, Series["tone"]][] = [
  ["2", "2xx answered", "starboard"],
  ["3", "3xx sent elsewhere", "sea"],
  ["4", "4xx refused", "lantern"],
  ["5", "5xx failed", "port"],
];

function requestsOf(series: Raw): Series[] {
  const found: Series[] = [];
  for (const [digit, label, tone] of CLASSES) {
    const sums = new Map<number, number>();
    for (const [name, samples] of Object.entries(series)) {
      if (!name.startsWith(`requests_${digit}`)) continue;
      for (const { at, value } of samples) sums.set(at, (sums.get(at) ?? 0) + value);
    }
    if (sums.size === 0) continue;
    found.push({
      name: `requests_${digit}xx`,
      label,
      tone,
      points: [...sums].map(([at, v]) => ({ t: at * 1000, v })).sort((a, b) => a.t - b.t),
    });
  }
  return found;
}

export { count, percent, size };
