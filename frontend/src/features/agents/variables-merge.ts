/** The rules of editing variables: what is wrong, what changed, and what two people changed at once. */

export interface Draft {
  /** Only for this page: names may be empty or doubled while they are typed. */
  key: string;
  name: string;
  value: string;
  secret: boolean;
  /** A secret that is stored and whose value nobody has typed again. */
  kept: boolean;
}

export interface Stored {
  name: string;
  value: string | null;
  secret: boolean;
}

let made = 0;

export function newKey(): string {
  made += 1;
  return `row-${made}`;
}

export function draftsOf(items: readonly Stored[]): Draft[] {
  return items.map(({ name, value, secret }) => ({
    key: newKey(),
    name,
    value: value ?? "",
    secret,
    kept: secret,
  }));
}

export function wantedOf(drafts: readonly Draft[]) {
  return drafts
    .filter(({ name, value }) => name !== "" || value !== "")
    .map(({ name, value, secret, kept }) => ({
      name: name.trim(),
      value: kept ? null : value,
      secret,
    }));
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** What is wrong with a name, as the API would say it. */
export function nameFault(draft: Draft, drafts: readonly Draft[]): string | undefined {
  const name = draft.name.trim();
  if (name === "") return draft.value === "" && !draft.kept ? undefined : "Give it a name.";
  if (!NAME.test(name)) return "Use letters, digits and _; begin with no digit.";
  if (name === "PORT" || /^(SLIPWAY|RAILWAY)_/.test(name)) {
    return `${name} is set by the platform; read it in your code.`;
  }
  const first = drafts.find((one) => one.name.trim() === name);
  return first && first.key !== draft.key ? `${name} is given twice.` : undefined;
}

/** One side of a variable: null where it does not exist. */
type Side = { value: string | null; secret: boolean } | null;

export interface Change {
  name: string;
  base: Side;
  mine: Side;
  theirs: Side;
}

const same = (a: Side, b: Side): boolean =>
  a === b || (a !== null && b !== null && a.secret === b.secret && a.value === b.value);

function sidesOf(items: readonly Stored[]): Map<string, Side> {
  return new Map(items.map(({ name, value, secret }) => [name, { value, secret }]));
}

export function countChanges(base: readonly Stored[], drafts: readonly Draft[]): number {
  const before = sidesOf(base);
  const now = sidesOf(wantedOf(drafts));
  const names = new Set([...before.keys(), ...now.keys()]);
  const doubled = wantedOf(drafts).length - now.size;
  return (
    [...names].filter((name) => !same(before.get(name) ?? null, now.get(name) ?? null)).length +
    doubled
  );
}

/**
 * Somebody saved while we were typing. What only one of us changed is settled; what both changed,
 * and differently, is for a person to decide.
 */
export function merge(
  base: readonly Stored[],
  drafts: readonly Draft[],
  theirs: readonly Stored[],
): { settled: Change[]; open: Change[] } {
  const [before, mine, other] = [sidesOf(base), sidesOf(wantedOf(drafts)), sidesOf(theirs)];
  const names = [...new Set([...before.keys(), ...mine.keys(), ...other.keys()])].sort();
  const settled: Change[] = [];
  const open: Change[] = [];
  for (const name of names) {
    const change = {
      name,
      base: before.get(name) ?? null,
      mine: mine.get(name) ?? null,
      theirs: other.get(name) ?? null,
    };
    const byMe = !same(change.base, change.mine);
    const byThem = !same(change.base, change.theirs);
    if (byMe && byThem && !same(change.mine, change.theirs)) open.push(change);
    else if (byMe || byThem) settled.push(change);
  }
  return { settled, open };
}

/** The drafts that come of it: `takeTheirs` names where theirs was chosen. */
export function resolved(
  base: readonly Stored[],
  drafts: readonly Draft[],
  theirs: readonly Stored[],
  takeTheirs: ReadonlySet<string>,
): Draft[] {
  const { open } = merge(base, drafts, theirs);
  const undecided = new Set(open.map(({ name }) => name));
  const before = sidesOf(base);
  const mine = new Map(
    drafts.filter(({ name }) => name.trim()).map((one) => [one.name.trim(), one]),
  );
  const other = new Map(draftsOf(theirs).map((one) => [one.name, one]));
  const found: Draft[] = [];
  for (const name of new Set([...other.keys(), ...mine.keys()])) {
    const ours = mine.get(name);
    const side = ours ? (sidesOf(wantedOf([ours])).get(name) ?? null) : null;
    const byMe = !same(before.get(name) ?? null, side);
    const useMine = undecided.has(name) ? !takeTheirs.has(name) : byMe;
    const one = useMine ? ours : other.get(name);
    // A secret I kept and they deleted has no value any more: it is theirs to have removed.
    if (one) found.push(one);
  }
  return found;
}
