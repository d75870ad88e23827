/** Where in the three steps to a live agent one is. */
import { clsx } from "clsx";

const NAMES = ["Choose", "Confirm", "Launch"];

export function Steps({ at }: { at: 1 | 2 | 3 }) {
  return (
    <ol aria-label="Steps" className="flex items-center gap-2 text-sm">
      {NAMES.map((name, index) => (
        <li
          key={name}
          aria-current={at === index + 1 ? "step" : undefined}
          className={clsx(
            "flex items-center gap-1.5",
            at === index + 1 ? "font-[620] text-ink" : "text-ink-3",
          )}
        >
          {index > 0 ? <span aria-hidden="true" className="mr-0.5 h-px w-5 bg-line-2" /> : null}
          <span
            className={clsx(
              "figures flex size-5 items-center justify-center rounded-full text-xs",
              at > index ? "bg-ink text-page" : "border border-line-2",
            )}
          >
            {index + 1}
          </span>
          {name}
        </li>
      ))}
    </ol>
  );
}
