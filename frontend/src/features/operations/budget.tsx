/** Calls at the host in this hour: how many are left, and until when changes wait. */
import { clsx } from "clsx";
import type { Operations } from "@/api/types";
import { Facts, Plate } from "@/components/page";
import { Status, type Tone } from "@/components/status";
import { Ago, Until, useNow } from "@/components/time";

/** Below this share of the limit it is time to look why. */
const LOW = 0.15;
const BARS: Partial<Record<Tone, string>> = {
  live: "bg-starboard",
  warning: "bg-lantern",
  failed: "bg-port",
};
const count = new Intl.NumberFormat("en");

export function Budget({ budget }: { budget: Operations["budget"] }) {
  const now = useNow();
  const { limit, left, resets_at, paused_until, heard_at } = budget;
  const share = limit > 0 ? Math.min(1, Math.max(0, left / limit)) : 0;
  const paused = paused_until !== null && Date.parse(paused_until) > now;
  const [tone, label]: [Tone, string] = paused
    ? ["failed", "Paused"]
    : left <= 0
      ? ["failed", "Used up"]
      : share < LOW
        ? ["warning", "Low"]
        : ["live", "Enough"];
  return (
    <Plate title="Budget" note="calls to the host, per hour">
      <div className="mb-2 flex flex-wrap items-baseline justify-between gap-x-4">
        <p>
          <span className="figures text-2xl font-[620]">{count.format(left)}</span>{" "}
          <span className="text-ink-2">of {count.format(limit)} left</span>
        </p>
        <Status tone={tone} label={label} />
      </div>
      {/* The words above say the same: for the eye alone. */}
      <div
        aria-hidden="true"
        className="mb-4 h-3 overflow-hidden rounded-sm border border-line bg-sunk"
      >
        <div className={clsx("h-full", BARS[tone])} style={{ width: `${share * 100}%` }} />
      </div>
      <Facts
        items={[
          ["Resets", resets_at ? <Until key="r" at={resets_at} /> : "not known yet"],
          ["Paused until", paused_until && paused ? <Until key="p" at={paused_until} /> : "–"],
          [
            "Heard from it",
            heard_at ? <Ago key="h" at={heard_at} /> : "nothing yet: the limit is assumed",
          ],
        ]}
      />
    </Plate>
  );
}
