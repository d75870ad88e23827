/** Walks through what was handed over, and says what goes along, what is left out, and what cannot go. */
import { LIMITS } from "@/api/limits.gen";
import { IgnoreFiles } from "./ignore-files";
import type { FileNode, SourceNode } from "./source-nodes";
import {
  type Fault,
  faultOf,
  foreignKind,
  isArchive,
  isSecrets,
  leftOutBy,
  nameFor,
} from "./source-rules";

export interface SourceFile {
  path: string;
  file: File;
}

export interface Gathered {
  /** What the agent may be called. */
  name: string;
  filename: string;
  files: SourceFile[];
  /** The one file that is an archive already, and goes as it is. */
  archive: File | null;
  bytes: number;
  /** Names of what was left out, with how often. */
  leftOut: Map<string, number>;
  /** Text of a `.env` at the top: offered as variables, never sent as a file. */
  env: string;
}

/** Nothing is sent: this says why, and what to leave out. */
export class NotASource extends Error {
  constructor(
    readonly title: string,
    readonly detail: string,
    readonly faults: Fault[] = [],
    /** Folders at the top with the most files. */
    readonly heaviest: { folder: string; files: number }[] = [],
  ) {
    super(title);
  }
}

interface Options {
  /** Folders at the top that a person has left out. */
  without?: ReadonlySet<string>;
  signal: AbortSignal;
  onSeen?: (files: number) => void;
}

const AT_ONCE = 48;
const MAX_FAULTS = 25;
/** Counting goes on this far past the limit, to be able to say which folders are too much. */
const COUNTED = 200_000;

export async function gather(top: SourceNode[], options: Options): Promise<Gathered> {
  if (top.length === 0) {
    throw new NotASource(
      "There was no file in that",
      "Drop a folder, a zip, a tar.gz, or source files.",
    );
  }
  const [first] = top;
  if (top.length === 1 && first?.kind === "file" && isArchive(first.name)) {
    return archiveOf(await first.file());
  }
  const foreign = top.length === 1 && first?.kind === "file" ? foreignKind(first.name) : undefined;
  if (foreign) throw new NotASource("This cannot be a source", foreign);
  const alone = top.length === 1 && first?.kind === "folder" ? first : null;
  const walk = new Walk(options);
  await walk.through(alone ? await alone.children() : top, "");
  const files = await walk.finish();
  const named = alone?.name ?? (files.length === 1 ? (files[0]?.path ?? "") : "");
  return {
    name: nameFor(named),
    filename: `${(alone?.name ?? "source").slice(0, 100)}.zip`,
    files,
    archive: null,
    bytes: files.reduce((sum, { file }) => sum + file.size, 0),
    leftOut: walk.leftOut,
    env: walk.env,
  };
}

function archiveOf(file: File): Gathered {
  if (file.size === 0) throw new NotASource(`${file.name} is empty`, "It has 0 bytes.");
  if (file.size > LIMITS.packed) {
    throw new NotASource(
      `${file.name} is too large`,
      `It has ${megabytes(file.size)}; at most ${megabytes(LIMITS.packed)} are taken. Leave out dependencies, build output and data.`,
    );
  }
  return {
    name: nameFor(file.name),
    filename: file.name,
    files: [],
    archive: file,
    bytes: file.size,
    leftOut: new Map(),
    env: "",
  };
}

class Walk {
  leftOut = new Map<string, number>();
  env = "";
  #found: { path: string; node: FileNode }[] = [];
  #ignored = new IgnoreFiles();
  #options: Options;
  #seen = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  async through(nodes: SourceNode[], folder: string): Promise<void> {
    this.#options.signal.throwIfAborted();
    const rules = nodes.find((node) => node.kind === "file" && node.name === ".gitignore");
    if (rules?.kind === "file") {
      this.#ignored.add(folder, await (await rules.file()).text().catch(() => ""));
    }
    const folders: Promise<void>[] = [];
    for (const node of nodes) {
      const path = folder ? `${folder}/${node.name}` : node.name;
      if (await this.#isLeftOut(node, path, folder === "")) continue;
      if (node.kind === "file") this.#take(path, node);
      else folders.push(this.#into(node, path));
    }
    await Promise.all(folders);
  }

  async #into(node: SourceNode & { kind: "folder" }, path: string): Promise<void> {
    const children = await node.children();
    if (children.some((child) => child.name === "pyvenv.cfg")) {
      this.#leave(node.name);
      return;
    }
    await this.through(children, path);
  }

  async #isLeftOut(node: SourceNode, path: string, top: boolean): Promise<boolean> {
    if (top && this.#options.without?.has(node.name)) {
      this.#leave(node.name);
      return true;
    }
    const by = leftOutBy(node.name);
    if (by !== undefined) {
      this.#leave(by);
      if (top && node.kind === "file" && isSecrets(node.name) && node.name === ".env") {
        const file = await node.file();
        if (file.size < 64_000) this.env = await file.text();
      }
      return true;
    }
    if (this.#ignored.ignores(path, node.kind === "folder")) {
      this.#leave(".gitignore");
      return true;
    }
    return false;
  }

  #leave(name: string): void {
    this.leftOut.set(name, (this.leftOut.get(name) ?? 0) + 1);
  }

  #take(path: string, node: FileNode): void {
    this.#seen += 1;
    if (this.#seen % 200 === 0) this.#options.onSeen?.(this.#seen);
    if (this.#found.length < COUNTED) this.#found.push({ path, node });
  }

  /** Reads what was found, when all of it may go. */
  async finish(): Promise<SourceFile[]> {
    this.#options.onSeen?.(this.#seen);
    if (this.#found.length === 0) throw nothingLeft(this.leftOut);
    if (this.#found.length > LIMITS.files) throw tooMany(this.#found.map(({ path }) => path));
    const faults = this.#found.flatMap(({ path }) => faultOf(path) ?? []);
    if (faults.length > 0) {
      throw new NotASource(
        "Some names cannot go along",
        "Rename these files or leave them out, and drop the folder again.",
        faults.slice(0, MAX_FAULTS),
      );
    }
    const files: SourceFile[] = [];
    let bytes = 0;
    for (let from = 0; from < this.#found.length; from += AT_ONCE) {
      this.#options.signal.throwIfAborted();
      const some = this.#found.slice(from, from + AT_ONCE);
      const read = await Promise.all(some.map(({ node }) => node.file()));
      for (const [index, file] of read.entries()) {
        files.push({ path: some[index]?.path ?? file.name, file });
        bytes += file.size;
      }
      if (bytes > LIMITS.unpacked) throw tooLarge(files);
    }
    return files.sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}

function nothingLeft(leftOut: Map<string, number>): NotASource {
  const names = [...leftOut.keys()].join(", ");
  return new NotASource(
    "There is nothing in it to deploy",
    names
      ? `All it holds is left out: ${names}. Drop the folder that holds your source.`
      : "The folder is empty. Drop the folder that holds your source.",
  );
}

function tooMany(paths: string[]): NotASource {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const cut = path.indexOf("/");
    if (cut > 0) counts.set(path.slice(0, cut), (counts.get(path.slice(0, cut)) ?? 0) + 1);
  }
  const heaviest = [...counts]
    .map(([folder, files]) => ({ folder, files }))
    .sort((a, b) => b.files - a.files)
    .slice(0, 5);
  return new NotASource(
    `${paths.length.toLocaleString("en")} files are too many`,
    `A source may have ${LIMITS.files.toLocaleString("en")}. Leave out dependencies, build output and data: what is needed is installed or built there.`,
    [],
    heaviest,
  );
}

function tooLarge(files: SourceFile[]): NotASource {
  const largest = files.toSorted((a, b) => b.file.size - a.file.size).slice(0, 5);
  return new NotASource(
    "The source is too large",
    `It may have ${megabytes(LIMITS.unpacked)} in all. Leave out data and build output.`,
    largest.map(({ path, file }) => ({ path, detail: `has ${megabytes(file.size)}.` })),
  );
}

function megabytes(size: number): string {
  return `${(size / 1_000_000).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
}
