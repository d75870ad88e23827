/** The end of a form that edits something: saving, discarding, and what somebody else saved first. */
import type { ReactNode } from "react";
import { Button } from "./button";

export function SaveRow({
  changed,
  fit = true,
  busy,
  label = "Save",
  onDiscard,
}: {
  changed: boolean;
  /** Whether what stands there can be saved at all. */
  fit?: boolean;
  busy: boolean;
  label?: string;
  onDiscard: () => void;
}) {
  return (
    <div className="flex justify-end gap-2">
      {changed ? (
        <Button variant="quiet" onClick={onDiscard}>
          Discard
        </Button>
      ) : null}
      <Button type="submit" variant="primary" disabled={!changed || !fit} busy={busy}>
        {label}
      </Button>
    </div>
  );
}

/** Two people have edited the same: nothing is overwritten until one of them chooses. */
export function BothSides({
  title = "Somebody saved while you were editing",
  busy,
  onTheirs,
  onMine,
  children,
}: {
  title?: string;
  busy: boolean;
  onTheirs: () => void;
  onMine: () => void;
  /** What each of them wrote. */
  children: ReactNode;
}) {
  return (
    <section
      role="alert"
      aria-label={title}
      className="rounded border border-lantern/50 border-l-4 border-l-lantern bg-lantern-wash p-4 text-sm"
    >
      <p className="font-[620]">{title}</p>
      {children}
      <div className="mt-3 flex flex-wrap justify-end gap-2">
        <Button size="sm" onClick={onTheirs}>
          Take theirs
        </Button>
        <Button size="sm" variant="primary" busy={busy} onClick={onMine}>
          Save mine
        </Button>
      </div>
    </section>
  );
}
