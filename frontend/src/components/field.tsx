/** Fields of forms: label, hint and fault belong to the control, for eyes and for screen readers. */
import { clsx } from "clsx";
import { type ComponentProps, type ReactNode, useId } from "react";

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  /** What is wrong, and what to change. */
  error?: string | undefined;
  optional?: boolean;
  /** Keep the label for screen readers only. */
  hideLabel?: boolean;
}

const CONTROL =
  "w-full rounded border bg-plate text-ink text-sm transition-colors hover:border-ink-2 focus:border-sea disabled:bg-sunk disabled:text-ink-2";

function controlClass(error: string | undefined, className?: string): string {
  return clsx(CONTROL, error ? "border-port" : "border-control/70", className);
}

function Field({
  label,
  hint,
  error,
  optional = false,
  hideLabel = false,
  id,
  children,
}: FieldProps & { id: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <label
        htmlFor={id}
        className={hideLabel ? "sr-only" : "mb-1.5 block text-sm font-[560] text-ink"}
      >
        {label}
        {optional ? <span className="font-normal text-ink-3"> (optional)</span> : null}
      </label>
      {children}
      {hint ? (
        <p id={`${id}-hint`} className="mt-1.5 text-sm text-ink-3">
          {hint}
        </p>
      ) : null}
      {error ? (
        <p id={`${id}-error`} className="mt-1.5 text-sm text-port">
          {error}
        </p>
      ) : null}
    </div>
  );
}

function described(id: string, hint: ReactNode, error: string | undefined) {
  const ids = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return { "aria-describedby": ids || undefined, "aria-invalid": error ? true : undefined };
}

export function TextField({
  label,
  hint,
  error,
  optional,
  hideLabel,
  className,
  id: given,
  ...rest
}: FieldProps & ComponentProps<"input">) {
  const made = useId();
  const id = given ?? made;
  return (
    <Field
      {...{ label, hint, error, id }}
      optional={optional ?? false}
      hideLabel={hideLabel ?? false}
    >
      <input
        id={id}
        className={controlClass(error, clsx("h-9 px-3", className))}
        {...described(id, hint, error)}
        {...rest}
      />
    </Field>
  );
}

export function TextArea({
  label,
  hint,
  error,
  optional,
  hideLabel,
  className,
  id: given,
  ...rest
}: FieldProps & ComponentProps<"textarea">) {
  const made = useId();
  const id = given ?? made;
  return (
    <Field
      {...{ label, hint, error, id }}
      optional={optional ?? false}
      hideLabel={hideLabel ?? false}
    >
      <textarea
        id={id}
        className={controlClass(error, clsx("min-h-24 px-3 py-2", className))}
        {...described(id, hint, error)}
        {...rest}
      />
    </Field>
  );
}

export function SelectField({
  label,
  hint,
  error,
  optional,
  hideLabel,
  className,
  id: given,
  children,
  ...rest
}: FieldProps & ComponentProps<"select">) {
  const made = useId();
  const id = given ?? made;
  return (
    <Field
      {...{ label, hint, error, id }}
      optional={optional ?? false}
      hideLabel={hideLabel ?? false}
    >
      <div className="relative">
        <select
          id={id}
          className={controlClass(error, clsx("h-9 appearance-none py-0 pr-8 pl-3", className))}
          {...described(id, hint, error)}
          {...rest}
        >
          {children}
        </select>
        <svg
          viewBox="0 0 12 12"
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 right-3 size-3 -translate-y-1/2 text-ink-2"
        >
          <path d="m2 4 4 4 4-4" fill="none" stroke="currentColor" strokeWidth="1.6" />
        </svg>
      </div>
    </Field>
  );
}

export function CheckField({
  label,
  hint,
  error,
  className,
  id: given,
  ...rest
}: Omit<FieldProps, "optional" | "hideLabel"> & ComponentProps<"input">) {
  const made = useId();
  const id = given ?? made;
  return (
    <div className={clsx("flex gap-2.5", className)}>
      <input
        id={id}
        type="checkbox"
        className="mt-1 size-4 shrink-0 accent-sea"
        {...described(id, hint, error)}
        {...rest}
      />
      <div className="min-w-0">
        <label htmlFor={id} className="text-sm font-[560]">
          {label}
        </label>
        {hint ? (
          <p id={`${id}-hint`} className="text-sm text-ink-3">
            {hint}
          </p>
        ) : null}
        {error ? (
          <p id={`${id}-error`} className="text-sm text-port">
            {error}
          </p>
        ) : null}
      </div>
    </div>
  );
}
