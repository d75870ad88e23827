/** Stars: what people think of something, read out as words, and a field to say so oneself. */
import { clsx } from "clsx";
import { useId } from "react";

const POINTS = "M8 1.3 10 6l5.1.4-3.9 3.3 1.2 5L8 12l-4.400 2.700 1.200-5L.9 6.400 6 6z";

function Star({ lit, className }: { lit: boolean; className?: string }) {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true" className={clsx("size-4 shrink-0", className)}>
      <path
        d={POINTS}
        fill={lit ? "currentColor" : "none"}
        stroke="currentColor"
        strokeWidth="1.2"
        strokeLinejoin="round"
      />
    </svg>
  );
}

/** The mean in short: "★ 4.5 (12)". */
export function Rating({ rating, ratings }: { rating: number | null; ratings: number }) {
  if (rating === null || ratings === 0) return <span className="text-ink-3">Not rated yet</span>;
  return (
    <span className="figures inline-flex items-center gap-1">
      <Star lit className="size-3.5! text-lantern" />
      <span aria-hidden="true">
        {rating.toFixed(1)} <span className="text-ink-3">({ratings.toLocaleString("en")})</span>
      </span>
      <span className="sr-only">
        Rated {rating.toFixed(1)} of 5 by {ratings} {ratings === 1 ? "person" : "people"}
      </span>
    </span>
  );
}

/** Five stars, so many of them lit. */
export function Stars({ stars }: { stars: number }) {
  return (
    <span className="inline-flex text-lantern">
      {[1, 2, 3, 4, 5].map((one) => (
        <Star key={one} lit={one <= stars} />
      ))}
      <span className="sr-only">{stars} of 5 stars</span>
    </span>
  );
}

const WORDS = ["", "Poor", "Fair", "Good", "Very good", "Excellent"];

/** Choosing one to five stars; radio buttons, so that arrows work. */
export function StarField({
  value,
  onChange,
  error,
}: {
  value: number;
  onChange: (stars: number) => void;
  error?: string | undefined;
}) {
  const name = useId();
  return (
    <fieldset aria-describedby={error ? `${name}-error` : undefined}>
      <legend className="mb-1 text-sm font-[560]">Your rating</legend>
      <div className="flex items-center gap-0.5">
        {[1, 2, 3, 4, 5].map((stars) => (
          <label
            key={stars}
            className="relative cursor-pointer rounded-sm p-1 text-lantern has-focus-visible:outline-2 has-focus-visible:outline-sea"
          >
            <input
              type="radio"
              name={name}
              value={stars}
              checked={value === stars}
              onChange={() => onChange(stars)}
              className="sr-only"
            />
            <Star lit={stars <= value} className="size-6!" />
            <span className="sr-only">
              {stars} {stars === 1 ? "star" : "stars"}, {WORDS[stars]}
            </span>
          </label>
        ))}
        <span aria-hidden="true" className="ml-2 text-sm text-ink-2">
          {WORDS[value]}
        </span>
      </div>
      {error ? (
        <p id={`${name}-error`} className="mt-1 text-sm text-port">
          {error}
        </p>
      ) : null}
    </fieldset>
  );
}
