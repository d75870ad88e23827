/** Two people edited the same variables: both sides, and a choice for each that differs. */
import { clsx } from "clsx";
import { useState } from "react";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { type Change, type Draft, merge, resolved, type Stored } from "./variables-merge";

export function Conflict({
  base,
  drafts,
  theirs,
  busy,
  onClose,
  onSettle,
  onTakeTheirs,
}: {
  base: readonly Stored[];
  drafts: readonly Draft[];
  theirs: readonly Stored[];
  busy: boolean;
  onClose: () => void;
  onSettle: (rows: Draft[]) => void;
  onTakeTheirs: () => void;
}) {
  const { settled, open } = merge(base, drafts, theirs);
  const [taken, setTaken] = useState<ReadonlySet<string>>(new Set());
  const choose = (name: string, theirsToo: boolean) => {
    const next = new Set(taken);
    if (theirsToo) next.add(name);
    else next.delete(name);
    setTaken(next);
  };
  return (
    <Dialog
      open
      onOpenChange={onClose}
      size="lg"
      title="Somebody saved while you were editing"
      description="Nothing of yours is lost. What only one of you changed is put together; choose where both of you changed the same."
      footer={
        <>
          <Button onClick={onClose}>Back to editing</Button>
          <Button variant="quiet" onClick={onTakeTheirs}>
            Show theirs, drop mine
          </Button>
          <Button
            variant="primary"
            busy={busy}
            onClick={() => onSettle(resolved(base, drafts, theirs, taken))}
          >
            Save it put together
          </Button>
        </>
      }
    >
      <div className="space-y-5">
        {open.length > 0 ? (
          <ul className="space-y-4">
            {open.map((change) => (
              <li key={change.name}>
                <fieldset>
                  <legend className="mb-1.5 font-mono text-sm font-[600] break-all">
                    {change.name}
                  </legend>
                  <div className="grid gap-2 sm:grid-cols-2">
                    <Choice
                      name={change.name}
                      label="Yours"
                      side={change.mine}
                      checked={!taken.has(change.name)}
                      onChoose={() => choose(change.name, false)}
                    />
                    <Choice
                      name={change.name}
                      label="Theirs"
                      side={change.theirs}
                      checked={taken.has(change.name)}
                      onChoose={() => choose(change.name, true)}
                    />
                  </div>
                </fieldset>
              </li>
            ))}
          </ul>
        ) : null}
        {settled.length > 0 ? (
          <div>
            <h3 className="mb-1 text-sm">Put together</h3>
            <ul className="space-y-1 text-sm text-ink-2">
              {settled.map((change) => (
                <li key={change.name}>
                  <code className="break-all text-ink">{change.name}</code> {sayOf(change)}
                </li>
              ))}
            </ul>
          </div>
        ) : null}
      </div>
    </Dialog>
  );
}

function Choice({
  name,
  label,
  side,
  checked,
  onChoose,
}: {
  name: string;
  label: string;
  side: Change["mine"];
  checked: boolean;
  onChoose: () => void;
}) {
  return (
    <label
      className={clsx(
        "flex cursor-pointer gap-2.5 rounded border p-2.5 text-sm has-focus-visible:outline-2 has-focus-visible:outline-sea",
        checked ? "border-sea bg-sea-wash" : "border-line hover:border-line-2",
      )}
    >
      <input
        type="radio"
        name={`side-of-${name}`}
        checked={checked}
        onChange={onChoose}
        className="mt-1 accent-sea"
      />
      <span className="min-w-0">
        <span className="font-[560]">{label}</span>
        <span className="mt-0.5 block font-mono text-[0.8125rem] break-all text-ink-2">
          {side === null ? (
            <em className="font-sans">removed</em>
          ) : side.secret ? (
            <em className="font-sans">
              {side.value === null ? "secret, as stored" : "secret, new value"}
            </em>
          ) : (
            side.value || <em className="font-sans">empty</em>
          )}
        </span>
      </span>
    </label>
  );
}

function sayOf({ base, mine, theirs }: Change): string {
  const mineIsNew = JSON.stringify(base) !== JSON.stringify(mine);
  const side = mineIsNew ? mine : theirs;
  const verb = base === null ? "added" : side === null ? "removed" : "changed";
  const both = mineIsNew && JSON.stringify(base) !== JSON.stringify(theirs);
  return `${verb} by ${both ? "both of you" : mineIsNew ? "you" : "them"}`;
}
