/** The way to being live, drawn as what it is: a slip, with a hull going down it into the water. */
import { clsx } from "clsx";
import { Skeleton } from "./skeleton";
import { Light, type Tone } from "./status";
import { Duration } from "./time";

export interface StationShown {
  name: string;
  label: string;
  state: "waiting" | "held" | "moving" | "done" | "failed" | "stopped";
  startedAt?: string | undefined;
  finishedAt?: string | undefined;
}

const TONE: Record<StationShown["state"], Tone> = {
  waiting: "ended",
  held: "warning",
  moving: "moving",
  done: "live",
  failed: "failed",
  stopped: "ended",
};
const SAYS: Record<StationShown["state"], string> = {
  waiting: "waiting",
  held: "waiting for you",
  moving: "under way",
  done: "done",
  failed: "failed",
  stopped: "stopped",
};
const TOP = 32;
const DROP = 11;
const WATER = 88;
const BED = 122;
const THIN = { strokeWidth: 1.2, vectorEffect: "non-scaling-stroke" } as const;
const THICK = { strokeWidth: 3, vectorEffect: "non-scaling-stroke" } as const;

export function Stations({
  stations,
  selected,
  onSelect,
}: {
  stations: StationShown[];
  /** The station whose log or detail is shown, if stations can be chosen. */
  selected?: string | undefined;
  onSelect?: (name: string) => void;
}) {
  const count = stations.length;
  const x = (index: number) => ((index + 0.5) / count) * 100;
  const y = (index: number) => TOP + index * DROP;
  const reached = position(stations);
  const here = stations[reached];
  return (
    <div className="@container">
      <div className="relative">
        <svg
          viewBox="0 0 100 128"
          preserveAspectRatio="none"
          aria-hidden="true"
          className="pointer-events-none absolute inset-x-0 top-0 z-[1] hidden h-32 w-full overflow-visible @xl:block"
        >
          <rect
            x={x(count - 2) + 2}
            y={WATER}
            width={100 - x(count - 2) - 2}
            height={BED - WATER}
            className="fill-sea-wash"
          />
          {stations.map((station, index) => (
            <line
              key={station.name}
              x1={x(index)}
              x2={x(index)}
              y1={y(index)}
              y2={BED}
              className="stroke-line-2"
              {...THIN}
            />
          ))}
          <line x1="0" x2="100" y1={BED} y2={BED} className="stroke-line-2" {...THIN} />
          <line
            x1={x(count - 2) + 2}
            x2="100"
            y1={WATER}
            y2={WATER}
            className="stroke-sea"
            {...THIN}
          />
          <line
            x1="0"
            y1={y(-0.5)}
            x2="100"
            y2={y(count - 0.5)}
            className="stroke-line-2"
            {...THICK}
          />
          <line
            x1="0"
            y1={y(-0.5)}
            x2={x(reached)}
            y2={y(reached)}
            className={here?.state === "failed" ? "stroke-port" : "stroke-starboard"}
            {...THICK}
          />
        </svg>
        <Hull
          left={x(reached)}
          top={reached === count - 1 && here?.state === "done" ? WATER + 9 : y(reached)}
          state={here?.state ?? "waiting"}
        />
        <ol className="relative grid gap-1 @xl:grid-flow-col @xl:auto-cols-fr @xl:gap-0">
          {stations.map((station, index) => (
            <li key={station.name} className="min-w-0 @xl:text-center">
              <Stop
                station={station}
                top={y(index)}
                selected={selected === station.name}
                onSelect={onSelect}
              />
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}

function Stop({
  station,
  top,
  selected,
  onSelect,
}: {
  station: StationShown;
  top: number;
  selected: boolean;
  onSelect?: ((name: string) => void) | undefined;
}) {
  const inside = (
    <>
      <span
        style={{ "--station-top": `${top - 9}px` } as React.CSSProperties}
        className="flex size-[18px] shrink-0 items-center justify-center rounded-full bg-plate ring-1 ring-line-2 @xl:absolute @xl:z-[2] @xl:top-(--station-top) @xl:left-1/2 @xl:-translate-x-1/2"
      >
        <Light tone={TONE[station.state]} />
      </span>
      <span
        className={clsx(
          "text-sm @xl:mt-32 @xl:block",
          station.state === "waiting" ? "text-ink-3" : "font-[600]",
          station.state === "failed" && "text-port",
        )}
      >
        {station.label}
        <span className="sr-only">: {SAYS[station.state]}</span>
      </span>
      <span className="figures ml-auto text-xs text-ink-3 @xl:ml-0 @xl:block @xl:h-4">
        {station.startedAt && station.state !== "waiting" && station.name !== "live" ? (
          <Duration
            from={station.startedAt}
            to={station.state === "moving" ? undefined : (station.finishedAt ?? station.startedAt)}
          />
        ) : null}
      </span>
    </>
  );
  const layout = "relative flex w-full items-center gap-3 px-2 py-1 @xl:block @xl:px-0 @xl:pb-1.5";
  if (!onSelect) return <div className={layout}>{inside}</div>;
  return (
    <button
      type="button"
      aria-pressed={selected}
      disabled={station.state === "waiting"}
      onClick={() => onSelect(station.name)}
      className={clsx(
        layout,
        "rounded enabled:hover:bg-sunk/70",
        selected && "bg-sunk shadow-[inset_0_-2px_0_var(--color-oxide)]",
      )}
    >
      {inside}
    </button>
  );
}

function Hull({ left, top, state }: { left: number; top: number; state: StationShown["state"] }) {
  const paint = state === "failed" ? "fill-port" : "fill-ink";
  return (
    <svg
      viewBox="0 0 64 30"
      aria-hidden="true"
      style={{ left: `${left}%`, top }}
      className={clsx(
        "pointer-events-none absolute z-10 hidden w-16 -translate-x-1/2 -translate-y-[39px] overflow-visible transition-[left,top,rotate] duration-700 ease-in-out @xl:block",
        state === "done" ? "" : "rotate-[4deg]",
      )}
    >
      <path d="M2 12h50l10-3-6 19H11z" className={paint} />
      <path d="M8.500 22h49.300l-1.900 6H11z" className="fill-oxide" />
      <path d="M15 12V5h15v7" className={paint} />
      <path d="M22 5V0" className="stroke-ink" strokeWidth="2" />
    </svg>
  );
}

/** The line while it is read, in the size it will have. */
export function StationsOutline() {
  return (
    <div className="@container">
      <div className="grid gap-1 @xl:grid-flow-col @xl:auto-cols-fr @xl:gap-0">
        {["a", "b", "c", "d", "e", "f", "g"].map((one) => (
          <div
            key={one}
            className="flex h-7 items-center gap-3 px-2 @xl:h-[10.6rem] @xl:items-end @xl:justify-center"
          >
            <Skeleton className="size-[18px] shrink-0 @xl:hidden" />
            <Skeleton className="h-3.5 w-16 @xl:mb-4" />
          </div>
        ))}
      </div>
    </div>
  );
}

/** The station the hull stands at. */
function position(stations: StationShown[]): number {
  const busy = stations.findIndex(({ state }) => state !== "waiting" && state !== "done");
  if (busy >= 0) return busy;
  const waiting = stations.findIndex(({ state }) => state === "waiting");
  return waiting < 0 ? stations.length - 1 : Math.max(0, waiting - 1);
}
