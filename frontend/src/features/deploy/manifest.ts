/** Knows the manifest as a form shows it: the few fields most people look at, the rest kept as is. */

export type Manifest = Record<string, unknown>;

/** Fields by their path in the manifest, with the names they carry in what was inferred. */
export const FIELDS = {
  build: { path: ["build", "command"], inferred: ["build_command"] },
  start: { path: ["start", "command"], inferred: ["start_command"] },
  output: { path: ["build", "output"], inferred: ["static_dir"] },
  port: { path: ["port"], inferred: ["port"] },
  health: { path: ["health", "path"], inferred: ["health_path"] },
  memory: { path: ["resources", "memory_mb"], inferred: ["resources"] },
} as const satisfies Record<string, { path: string[]; inferred: string[] }>;
export type FieldName = keyof typeof FIELDS;
const NUMBERS: ReadonlySet<FieldName> = new Set(["port", "memory"]);

export function read(manifest: Manifest, name: FieldName): string {
  let value: unknown = manifest;
  for (const part of FIELDS[name].path) value = isObject(value) ? value[part] : undefined;
  return value === undefined || value === null ? "" : String(value);
}

/** A manifest with one field changed; an empty one is left out. */
export function write(manifest: Manifest, name: FieldName, text: string): Manifest {
  const value = NUMBERS.has(name) && /^\d+$/.test(text.trim()) ? Number(text) : text;
  return put(manifest, [...FIELDS[name].path], value);
}

export function sleeps(manifest: Manifest): boolean {
  return isObject(manifest.resources) && manifest.resources.sleep === true;
}

export function withSleep(manifest: Manifest, sleep: boolean): Manifest {
  return put(manifest, ["resources", "sleep"], sleep || "");
}

function put(manifest: Manifest, [part = "", ...rest]: string[], value: unknown): Manifest {
  const { [part]: before, ...others } = manifest;
  const inside = rest.length > 0 ? put(isObject(before) ? before : {}, rest, value) : value;
  const empty = inside === "" || (isObject(inside) && Object.keys(inside).length === 0);
  return empty ? others : { ...others, [part]: inside };
}

export function isObject(value: unknown): value is Manifest {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export interface Wanted {
  name: string;
  description: string;
  required: boolean;
  secret: boolean;
  fallback: string;
}

/** The variables that the source says it reads. */
export function wantedVariables(
  manifest: Manifest,
  plan: Manifest,
  secret: (name: string) => boolean,
): Wanted[] {
  const wanted = new Map<string, Wanted>();
  const listed = Array.isArray(manifest.env) ? manifest.env.filter(isObject) : [];
  for (const item of listed) {
    const name = String(item.name ?? "");
    wanted.set(name, {
      name,
      description: String(item.description ?? ""),
      required: item.required === true && item.default === undefined,
      secret: item.secret === true,
      fallback: item.default === undefined ? "" : String(item.default),
    });
  }
  const add = (names: unknown, required: boolean) => {
    for (const name of Array.isArray(names) ? names.map(String) : []) {
      const known = wanted.get(name);
      wanted.set(name, {
        name,
        description: known?.description ?? "",
        required: required || (known?.required ?? false),
        secret: known?.secret ?? secret(name),
        fallback: known?.fallback ?? "",
      });
    }
  };
  add(plan.required_env, true);
  add(plan.suggested_env, false);
  return [...wanted.values()];
}
