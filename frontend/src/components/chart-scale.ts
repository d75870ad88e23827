/** The arithmetic of charts: round ticks, gaps, stacks. Times in milliseconds since 1970. */

export interface Point {
  t: number;
  v: number;
}

/** From 0 up to a round number not below `highest`, in three or four steps. */
export function ticksOf(highest: number): number[] {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].map((by) => by * power).find((by) => by >= rough) ?? rough;
  const count = Math.ceil(highest / size - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * size).toPrecision(12)));
}

const STEPS = [
  60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000,
].map((seconds) => seconds * 1000);

/** Round times between the two, at most `most` of them. */
export function timeTicks(start: number, end: number, most: number, utc: boolean): number[] {
  const size = STEPS.find((step) => (end - start) / step <= most) ?? (STEPS.at(-1) as number);
  const shift = utc ? 0 : new Date(end).getTimezoneOffset() * 60_000;
  const first = Math.ceil((start - shift) / size) * size + shift;
  const edge = (end - start) * 0.03;
  const found: number[] = [];
  for (let t = first; t <= end - edge; t += size) if (t >= start + edge) found.push(t);
  return found;
}

/** A time as an axis says it: the longer the span, the less of it. A span of 0 says it all. */
export function timeWord(t: number, span: number, utc: boolean): string {
  const zone = utc ? { timeZone: "UTC" } : {};
  const day = 86_400_000;
  const options: Intl.DateTimeFormatOptions =
    span === 0
      ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }
      : span > 2 * day
        ? { day: "numeric", month: "short" }
        : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(undefined, { ...options, ...zone }).format(t);
}

/** Stretches of points that are close enough to be joined. */
export function runs(points: readonly Point[], gap: number): Point[][] {
  const found: Point[][] = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && point.t - (last.at(-1) as Point).t <= gap) last.push(point);
    else found.push([point]);
  }
  return found;
}

export interface Band<T extends string> {
  name: string;
  tone: T;
  points: { t: number; low: number; high: number }[];
}

/** Each series on top of those before it. */
export function bands<T extends string>(
  series: readonly { name: string; tone: T; points: readonly Point[] }[],
): Band<T>[] {
  const height = new Map<number, number>();
  return series.map(({ name, tone, points }) => ({
    name,
    tone,
    points: points.map(({ t, v }) => {
      const low = height.get(t) ?? 0;
      height.set(t, low + v);
      return { t, low, high: low + v };
    }),
  }));
}

export function nearestTime(times: readonly number[], at: number): number | undefined {
  let best: number | undefined;
  for (const t of times) {
    if (best === undefined || Math.abs(t - at) < Math.abs(best - at)) best = t;
  }
  return best;
}
