/** Knows how one edits what others may be editing too: nothing typed is lost, nothing overwritten. */
import { useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { asProblem } from "./problem";

interface Kept {
  revision: number;
}

interface Editing<T extends Kept, V> {
  /** As it was read last; it may change while somebody types. */
  saved: T;
  valuesOf: (thing: T) => V;
  /** Which fields say something else. */
  differ: (before: V, now: V) => (keyof V)[];
  write: (values: V, fields: (keyof V)[], revision: number) => Promise<T>;
  /** Reads it anew, when a write came too late. */
  read: () => Promise<T>;
  onSaved: (thing: T) => void;
}

export function useEdit<T extends Kept, V extends object>({
  saved,
  valuesOf,
  differ,
  write,
  read,
  onSaved,
}: Editing<T, V>) {
  const [base, setBase] = useState(saved);
  const [values, setValues] = useState(() => valuesOf(saved));
  const [theirs, setTheirs] = useState<T>();
  const fields = differ(valuesOf(base), values);
  useEffect(() => {
    if (saved.revision <= base.revision) return;
    // What happens to it elsewhere makes revisions too, and changes nothing of what is typed here.
    const untouched = differ(valuesOf(base), valuesOf(saved)).length === 0;
    if (fields.length === 0) setValues(valuesOf(saved));
    if (fields.length === 0 || untouched) setBase(saved);
  }, [saved, base, fields.length, valuesOf, differ]);
  const begin = (thing: T) => {
    setBase(thing);
    setValues(valuesOf(thing));
    setTheirs(undefined);
  };
  const { mutate, isPending, error, reset } = useMutation({
    mutationFn: (revision: number) => write(values, fields, revision),
    onSuccess: (thing) => {
      begin(thing);
      onSaved(thing);
    },
    onError: async (failure) => {
      const { status, code } = asProblem(failure);
      if (status === 412 || code === "changed_meanwhile") setTheirs(await read());
    },
  });
  return {
    base,
    values,
    set: <F extends keyof V>(field: F, value: V[F]) =>
      setValues((now) => ({ ...now, [field]: value })),
    /** The fields that differ from what is saved. */
    fields,
    busy: isPending,
    /** Why it could not be saved, unless it is that somebody else was first. */
    problem: error && !theirs ? asProblem(error) : undefined,
    save: () => mutate(base.revision),
    discard: () => setValues(valuesOf(base)),
    /** What somebody else has saved meanwhile. */
    theirs,
    saveMine: () => theirs && mutate(theirs.revision),
    takeTheirs: () => {
      if (theirs) begin(theirs);
      reset();
    },
  };
}
