/** Measurements over time: lines or stacked areas, with what happened marked on them, and a table. */
import { clsx } from "clsx";
import { type PointerEvent, useId, useMemo, useRef, useState } from "react";
import { bands, nearestTime, type Point, runs, ticksOf, timeTicks, timeWord } from "./chart-scale";
import { useWidth } from "./use-width";

export interface Series {
  name: string;
  label: string;
  tone: "sea" | "starboard" | "lantern" | "port" | "magenta" | "cyan" | "grey";
  points: readonly Point[];
}

/** Something that happened: a deployment, a restart. */
export interface Mark {
  at: number;
  label: string;
  tone?: "plain" | "failed";
}

const STROKE: Record<Series["tone"], string> = {
  sea: "stroke-sea",
  starboard: "stroke-starboard",
  lantern: "stroke-lantern",
  port: "stroke-port",
  magenta: "stroke-magenta",
  cyan: "stroke-cyan",
  grey: "stroke-ink-3",
};
const FILL: Record<Series["tone"], string> = {
  sea: "fill-sea",
  starboard: "fill-starboard",
  lantern: "fill-lantern",
  port: "fill-port",
  magenta: "fill-magenta",
  cyan: "fill-cyan",
  grey: "fill-ink-3",
};
const SWATCH: Record<Series["tone"], string> = {
  sea: "bg-sea",
  starboard: "bg-starboard",
  lantern: "bg-lantern",
  port: "bg-port",
  magenta: "bg-magenta",
  cyan: "bg-cyan",
  grey: "bg-ink-3",
};
const TOP = 10;
const BOTTOM = 22;
const LEFT = 52;

interface Props {
  title: string;
  series: readonly Series[];
  start: number;
  end: number;
  format: (value: number) => string;
  marks?: readonly Mark[];
  /** Drawn on top of each other, as parts of a whole. */
  stacked?: boolean;
  height?: number;
  utc?: boolean;
}

export function Chart({
  title,
  series,
  start,
  end,
  format,
  marks = [],
  stacked = false,
  height = 190,
  utc = false,
}: Props) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, 640);
  const [at, setAt] = useState<number>();
  const clip = useId();
  const drawn = useMemo(() => (stacked ? bands(series) : []), [series, stacked]);
  const times = useMemo(
    () =>
      [...new Set(series.flatMap(({ points }) => points.map(({ t }) => t)))].sort((a, b) => a - b),
    [series],
  );
  const highest = Math.max(
    0,
    ...(stacked
      ? drawn.flatMap(({ points }) => points.map(({ high }) => high))
      : series.flatMap(({ points }) => points.map(({ v }) => v))),
  );
  const ticks = ticksOf(highest);
  const top = ticks.at(-1) ?? 1;
  const x = (t: number) => LEFT + ((t - start) / (end - start)) * (width - LEFT - 8);
  const y = (v: number) => TOP + (1 - v / top) * (height - TOP - BOTTOM);
  const gap = gapOf(times);
  const hover = at === undefined ? undefined : nearestTime(times, at);
  const onPointer = (event: PointerEvent<SVGSVGElement>) => {
    const left = event.currentTarget.getBoundingClientRect().left;
    setAt(start + ((event.clientX - left - LEFT) / (width - LEFT - 8)) * (end - start));
  };
  const seen = marks.filter((mark) => mark.at >= start && mark.at <= end);
  return (
    <figure className="min-w-0">
      <div ref={box} className="relative">
        <svg
          role="img"
          aria-label={`${title}: ${summary(series, format)}`}
          width="100%"
          height={height}
          onPointerMove={onPointer}
          onPointerLeave={() => setAt(undefined)}
          className="block touch-pan-y"
        >
          <defs>
            <clipPath id={clip}>
              <rect
                x={LEFT}
                y={TOP - 4}
                width={Math.max(0, width - LEFT - 8)}
                height={height - TOP - BOTTOM + 8}
              />
            </clipPath>
          </defs>
          {ticks.map((tick) => (
            <g key={tick}>
              <line
                x1={LEFT}
                x2={width - 8}
                y1={y(tick)}
                y2={y(tick)}
                className={tick === 0 ? "stroke-line-2" : "stroke-line"}
              />
              <text
                x={LEFT - 8}
                y={y(tick) + 3.5}
                textAnchor="end"
                className="figures fill-ink-3 text-[0.6875rem]"
              >
                {format(tick)}
              </text>
            </g>
          ))}
          {timeTicks(start, end, Math.max(2, Math.floor(width / 120)), utc).map((tick) => (
            <text
              key={tick}
              x={x(tick)}
              y={height - 6}
              textAnchor="middle"
              className="figures fill-ink-3 text-[0.6875rem]"
            >
              {timeWord(tick, end - start, utc)}
            </text>
          ))}
          <g clipPath={`url(#${clip})`}>
            {stacked
              ? drawn.map((band) => (
                  <path
                    key={band.name}
                    d={bars(band.points, x, y, gap)}
                    className={FILL[band.tone]}
                  />
                ))
              : series.map((one) => (
                  <g key={one.name}>
                    {runs(one.points, gap).map((run) => (
                      <g key={run[0]?.t}>
                        {run.length > 1 ? (
                          <>
                            {series.length === 1 ? (
                              <path
                                d={`${line(run, x, y)}L${x(run.at(-1)?.t ?? 0)} ${y(0)}L${x(run[0]?.t ?? 0)} ${y(0)}Z`}
                                className={FILL[one.tone]}
                                opacity="0.1"
                              />
                            ) : null}
                            <path
                              d={line(run, x, y)}
                              fill="none"
                              strokeWidth="1.6"
                              strokeLinejoin="round"
                              className={STROKE[one.tone]}
                            />
                          </>
                        ) : (
                          <circle
                            cx={x(run[0]?.t ?? 0)}
                            cy={y(run[0]?.v ?? 0)}
                            r="2.5"
                            className={FILL[one.tone]}
                          />
                        )}
                      </g>
                    ))}
                  </g>
                ))}
          </g>
          {seen.map((mark) => (
            <g
              key={`${mark.at} ${mark.label}`}
              className={mark.tone === "failed" ? "text-port" : "text-oxide"}
            >
              <line
                x1={x(mark.at)}
                x2={x(mark.at)}
                y1={TOP - 4}
                y2={height - BOTTOM}
                stroke="currentColor"
                strokeDasharray="2 3"
              />
              <path d={`M${x(mark.at) - 4} ${TOP - 8}h8l-4 6z`} fill="currentColor" />
              <title>{mark.label}</title>
            </g>
          ))}
          {hover === undefined ? null : (
            <line
              x1={x(hover)}
              x2={x(hover)}
              y1={TOP}
              y2={height - BOTTOM}
              className="stroke-ink-2"
            />
          )}
        </svg>
        {hover === undefined ? null : (
          <div
            aria-hidden="true"
            className="pointer-events-none absolute top-2 z-10 min-w-32 rounded bg-hull px-2.5 py-1.5 text-xs text-on-hull shadow-float"
            style={
              x(hover) > width / 2 ? { right: width - x(hover) + 10 } : { left: x(hover) + 10 }
            }
          >
            <p className="figures text-on-hull-2">{timeWord(hover, 0, utc)}</p>
            {series.map((one) => {
              const value = one.points.find(({ t }) => t === hover)?.v;
              return value === undefined ? null : (
                <p key={one.name} className="figures flex justify-between gap-4">
                  <span>{one.label}</span>
                  <span>{format(value)}</span>
                </p>
              );
            })}
          </div>
        )}
      </div>
      {series.length > 1 ? (
        <figcaption className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs text-ink-2">
          {series.map((one) => (
            <span key={one.name} className="inline-flex items-center gap-1.5">
              <span aria-hidden="true" className={clsx("size-2.5 rounded-sm", SWATCH[one.tone])} />
              {one.label}
            </span>
          ))}
        </figcaption>
      ) : null}
    </figure>
  );
}

/** The same numbers as a table, for whoever reads better that way. */
export function ChartTable({
  title,
  series,
  format,
  utc = false,
}: Pick<Props, "title" | "series" | "format" | "utc">) {
  const times = [...new Set(series.flatMap(({ points }) => points.map(({ t }) => t)))].sort(
    (a, b) => b - a,
  );
  const values = new Map(
    series.map((one) => [one.name, new Map(one.points.map(({ t, v }) => [t, v]))]),
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section aria-label={`${title}, as a table`} tabIndex={0} className="max-h-72 overflow-auto">
      <table className="figures w-full text-sm">
        <caption className="sr-only">{title}</caption>
        <thead className="sticky top-0 bg-plate text-left text-xs text-ink-3">
          <tr>
            <th scope="col" className="py-1.5 pr-4 font-[560]">
              Time
            </th>
            {series.map((one) => (
              <th key={one.name} scope="col" className="py-1.5 pr-4 text-right font-[560]">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {times.map((t) => (
            <tr key={t}>
              <th
                scope="row"
                className="py-1 pr-4 text-left font-normal whitespace-nowrap text-ink-2"
              >
                {timeWord(t, 0, utc)}
              </th>
              {series.map((one) => {
                const value = values.get(one.name)?.get(t);
                return (
                  <td key={one.name} className="py-1 pr-4 text-right">
                    {value === undefined ? "–" : format(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A small line without axes, for overviews. */
export function Spark({
  points,
  tone = "sea",
  label,
}: {
  points: readonly Point[];
  tone?: Series["tone"];
  label: string;
}) {
  const first = points[0]?.t ?? 0;
  const last = points.at(-1)?.t ?? 1;
  const top = Math.max(...points.map(({ v }) => v), 0) || 1;
  const x = (t: number) => (last === first ? 100 : ((t - first) / (last - first)) * 100);
  const y = (v: number) => 29 - (v / top) * 27;
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox="0 0 100 30"
      preserveAspectRatio="none"
      className="h-10 w-full overflow-visible"
    >
      <line
        x1="0"
        x2="100"
        y1="29"
        y2="29"
        className="stroke-line"
        vectorEffect="non-scaling-stroke"
      />
      {points.length > 1 ? (
        <>
          <path d={`${line(points, x, y)}L100 29L0 29Z`} className={FILL[tone]} opacity="0.1" />
          <path
            d={line(points, x, y)}
            fill="none"
            strokeWidth="1.5"
            vectorEffect="non-scaling-stroke"
            className={STROKE[tone]}
          />
        </>
      ) : points.length === 1 ? (
        <path
          d={`M94 ${y(points[0]?.v ?? 0)}h6`}
          strokeWidth="2"
          vectorEffect="non-scaling-stroke"
          className={STROKE[tone]}
        />
      ) : null}
    </svg>
  );
}

type Scale = (value: number) => number;

function line(points: readonly Point[], x: Scale, y: Scale): string {
  return points
    .map(({ t, v }, index) => `${index === 0 ? "M" : "L"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`)
    .join("");
}

function bars(
  points: readonly { t: number; low: number; high: number }[],
  x: Scale,
  y: Scale,
  gap: number,
): string {
  const wide = Math.max(2, Math.min(14, (x(gap) - x(0)) / 2.5 - 1.5));
  return points
    .filter(({ low, high }) => high > low)
    .map(({ t, low, high }) => {
      const tall = Math.max(1, y(low) - y(high));
      return `M${(x(t) - wide / 2).toFixed(1)} ${y(low).toFixed(1)}v${-tall.toFixed(1)}h${wide.toFixed(1)}v${tall.toFixed(1)}z`;
    })
    .join("");
}

/** Samples further apart than this are not joined: nothing was measured between them. */
function gapOf(times: readonly number[]): number {
  const steps = times.slice(1).map((t, index) => t - (times[index] ?? t));
  steps.sort((a, b) => a - b);
  return (steps[Math.floor(steps.length / 2)] ?? 60_000) * 2.5;
}

function summary(series: readonly Series[], format: (value: number) => string): string {
  return series
    .map(({ label, points }) => {
      const last = points.at(-1);
      if (!last) return `${label}: nothing measured`;
      const high = Math.max(...points.map(({ v }) => v));
      return `${label} now ${format(last.v)}, at most ${format(high)}`;
    })
    .join("; ");
}
