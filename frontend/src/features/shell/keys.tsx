/** Keys as they are printed on keyboards. */
import { modKey } from "./mod-key";

export function Keys({ keys }: { keys: string }) {
  return (
    <span className="inline-flex gap-1">
      {keys.split(/[ +]/).map((key) => (
        <kbd
          key={key}
          className="min-w-5 rounded-sm border border-line-2 bg-page px-1.5 text-center text-xs leading-5 text-ink-2"
        >
          {key === "mod" ? modKey : key.length === 1 ? key.toUpperCase() : key}
        </kbd>
      ))}
    </span>
  );
}
