/** One variable being edited. */
import { clsx } from "clsx";
import { Eye, EyeOff, Lock, LockOpen, Trash2 } from "lucide-react";
import { useEffect, useId, useRef, useState } from "react";
import { IconButton } from "@/components/button";
import type { Draft } from "./variables-merge";

const CONTROL =
  "w-full rounded border bg-plate px-2.5 py-1.5 font-mono text-[0.8125rem] leading-5 hover:border-ink-2 focus:border-sea";

export function VariableRow({
  draft,
  focus,
  nameFault,
  valueFault,
  onChange,
  onPaste,
  onRemove,
}: {
  draft: Draft;
  /** It has just been added. */
  focus: boolean;
  nameFault: string | undefined;
  valueFault: string | undefined;
  onChange: (next: Partial<Draft>) => void;
  /** Takes several lines pasted at once; false when they were no variables. */
  onPaste: (text: string) => boolean;
  onRemove: () => void;
}) {
  const id = useId();
  const [shown, setShown] = useState(false);
  const name = useRef<HTMLInputElement>(null);
  const value = useRef<HTMLTextAreaElement>(null);
  const began = useRef(draft.name);
  useEffect(() => {
    if (!focus) return;
    if (began.current) value.current?.focus();
    else name.current?.focus();
  }, [focus]);
  const word = draft.name || "this variable";
  const lines = Math.min(8, draft.value.split("\n").length);
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_auto] gap-2 px-4 py-2.5 sm:grid-cols-[minmax(9rem,17rem)_minmax(0,1fr)_auto]">
      <div className="min-w-0">
        <input
          ref={name}
          aria-label="Name"
          aria-invalid={nameFault ? true : undefined}
          aria-describedby={nameFault ? `${id}-name` : undefined}
          placeholder="NAME"
          value={draft.name}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          onChange={(event) => onChange({ name: event.target.value })}
          onPaste={(event) => {
            const text = event.clipboardData.getData("text");
            if (text.includes("=") && onPaste(text)) event.preventDefault();
          }}
          className={clsx(CONTROL, "h-[34px]", nameFault ? "border-port" : "border-control/70")}
        />
        {nameFault ? (
          <p id={`${id}-name`} className="mt-1 text-sm text-port">
            {nameFault}
          </p>
        ) : null}
      </div>
      <div className="col-span-2 row-start-2 min-w-0 sm:col-span-1 sm:row-start-auto">
        <textarea
          ref={value}
          aria-label={`Value of ${word}`}
          aria-invalid={valueFault ? true : undefined}
          aria-describedby={valueFault ? `${id}-value` : undefined}
          rows={lines}
          placeholder={draft.kept ? "•••••••• (stays as it is)" : "value"}
          value={draft.value}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          onChange={(event) => onChange({ value: event.target.value, kept: false })}
          className={clsx(
            CONTROL,
            "block min-h-[34px] resize-none",
            valueFault ? "border-port" : "border-control/70",
            draft.secret && !shown && "[-webkit-text-security:disc]",
          )}
        />
        {valueFault ? (
          <p id={`${id}-value`} className="mt-1 text-sm text-port">
            {valueFault}
          </p>
        ) : null}
      </div>
      <div className="flex items-start gap-0.5">
        <IconButton
          icon={shown ? EyeOff : Eye}
          size="sm"
          label={shown ? `Hide the value of ${word}` : `Show the value of ${word}`}
          disabled={!draft.secret || draft.value === ""}
          className={clsx("mt-0.5", !(draft.secret && draft.value !== "") && "invisible")}
          onClick={() => setShown(!shown)}
        />
        <IconButton
          icon={draft.secret ? Lock : LockOpen}
          size="sm"
          aria-pressed={draft.secret}
          label={
            draft.secret
              ? `${word} is secret${draft.kept ? "; type a new value to make it plain" : ""}`
              : `${word} is plain; make it secret`
          }
          disabled={draft.kept}
          className={clsx("mt-0.5", draft.secret && "text-sea!")}
          onClick={() => onChange({ secret: !draft.secret })}
        />
        <IconButton
          icon={Trash2}
          size="sm"
          label={`Remove ${word}`}
          className="mt-0.5"
          onClick={onRemove}
        />
      </div>
    </li>
  );
}
