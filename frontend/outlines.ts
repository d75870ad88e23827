/**
 * Builds the pages themselves: each address of `infra/pages.json` gets an HTML file that already
 * holds the outline of its page, drawn by the app's own components, and asks for its scripts at
 * once. Whoever serves the files goes by the same list.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import { build, minifySync, type Plugin, type ResolvedConfig, type Rollup } from "vite";
import type { Order } from "./src/prerender";

interface PageFile {
  /** Addresses; a star is one part of a path, two are everything else. */
  at: string[];
  file: string;
  title: string;
  /** For people who have signed in. */
  inside?: boolean;
  /** Its parts under `src/features`, which arrive as files of their own. */
  scripts: string[];
  /** What it asks the API first, for whoever has signed in; `{2}` is the second part of its address. */
  reads?: string[];
}

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const FIRST = at("./src/first.js");
const FIRST_LOAD = 180_000;
const FURTHER = 60_000;
const MODULE =
  /\s*<(?:script type="module"|link rel="modulepreload") crossorigin (?:src|href)="([^"]+)">(?:<\/script>)?/g;

export function outlines(): Plugin {
  let config: ResolvedConfig;
  let chunks: Rollup.OutputChunk[] = [];
  return {
    name: "outlines",
    apply: ({ build: how }, { command }) => command === "serve" || !how?.ssr,
    configResolved(resolved) {
      config = resolved;
    },
    async transformIndexHtml(_html, { bundle }) {
      // As it stands: the development server would make a module of a file of its own.
      if (!bundle) return [{ ...script, children: await readFile(FIRST, "utf8") }];
      const name = Object.keys(bundle).find((file) => /first-[^/]*\.js$/.test(file));
      return [{ ...script, attrs: { src: `/${name}` } }];
    },
    async generateBundle(_options, bundle) {
      chunks = Object.values(bundle).filter((one) => one.type === "chunk");
    },
    async buildStart() {
      if (config.command === "serve") return;
      const source = minifySync("first.js", await readFile(FIRST, "utf8")).code;
      this.emitFile({ type: "asset", name: "first.js", source });
    },
    async closeBundle() {
      if (config.command === "serve" || chunks.length === 0) return;
      await writePages(config, chunks);
    },
  };
}

const script = { tag: "script", injectTo: "head-prepend" } as const;

async function writePages(config: ResolvedConfig, chunks: Rollup.OutputChunk[]): Promise<void> {
  const drawn = at("./node_modules/.outlines");
  await build({
    root: config.root,
    logLevel: "warn",
    build: { ssr: at("./src/prerender.tsx"), outDir: drawn, emptyOutDir: true },
  });
  const out = resolve(config.root, config.build.outDir);
  const template = await readFile(join(out, "index.html"), "utf8");
  const pages = JSON.parse(await readFile(at("../infra/pages.json"), "utf8")) as PageFile[];
  const drawings = await draw(
    join(drawn, "prerender.js"),
    pages.map(({ at: [pattern = "/"], inside = false }) => ({ pattern, known: inside })),
  );
  // The last one is what starts the app, the ones before it are what it needs.
  const app = [...template.matchAll(MODULE)].map(([, file = ""]) => file).reverse();
  if (app.length === 0) throw new Error("The built index.html starts no script.");
  weigh(chunks, app);
  for (const [index, { file, title, inside, scripts, reads = [] }] of pages.entries()) {
    const html = template
      .replaceAll(MODULE, "")
      .replace("<title>Slipway</title>", `<title>${title ? `${title} · ` : ""}Slipway</title>`)
      .replace(
        '<div id="root"></div>',
        `<div id="root" data-outline="${inside ? "inside" : "open"}" ${told("app", [
          ...app,
          ...partsOf(chunks, scripts, app),
        ])} ${told("reads", reads)}>${drawings[index]}</div>`,
      );
    await mkdir(dirname(join(out, file)), { recursive: true });
    await writeFile(join(out, file), html);
  }
  await rm(drawn, { recursive: true });
}

/** An attribute for `first.js`. */
function told(name: string, words: string[]): string {
  return `data-${name}="${words.join(" ").replaceAll("&", "&amp;")}"`;
}

function draw(program: string, orders: Order[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(program, { workerData: orders });
    worker.once("error", reject);
    worker.once("message", (drawings: string[]) => {
      resolve(drawings);
      void worker.terminate();
    });
  });
}

/** A build that has become too heavy fails: bytes over the line, gzipped. */
function weigh(chunks: Rollup.OutputChunk[], app: string[]): void {
  const weight = (files: string[]) =>
    chunks
      .filter(({ fileName }) => files.includes(`/${fileName}`))
      .reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
  const heavy = [
    { what: "what every page begins with", weighs: weight(app), limit: FIRST_LOAD },
    ...chunks
      .filter(({ isDynamicEntry }) => isDynamicEntry)
      .map(({ name, fileName }) => ({
        what: name,
        weighs: weight(withImports(chunks, fileName, app)),
        limit: FURTHER,
      })),
  ].filter(({ weighs, limit }) => weighs > limit);
  if (heavy.length === 0) return;
  const told = heavy.map(({ what, weighs, limit }) => `${what}: ${weighs} of ${limit} bytes`);
  throw new Error(`Too much to load. ${told.join("; ")}`);
}

function withImports(chunks: Rollup.OutputChunk[], file: string, app: string[]): string[] {
  const found = new Set<string>();
  const want = (one: string) => {
    if (found.has(`/${one}`) || app.includes(`/${one}`)) return;
    found.add(`/${one}`);
    for (const next of chunks.find(({ fileName }) => fileName === one)?.imports ?? []) want(next);
  };
  want(file);
  return [...found];
}

/** The files of a page's own parts, to be asked for beside the app's first ones. */
function partsOf(chunks: Rollup.OutputChunk[], scripts: string[], app: string[]): string[] {
  const wanted = new Set<string>();
  for (const name of scripts) {
    const chunk = chunks.find(({ facadeModuleId }) =>
      facadeModuleId?.endsWith(`/src/features/${name}.tsx`),
    );
    if (!chunk) throw new Error(`infra/pages.json names ${name}, which is no part of the app.`);
    for (const file of withImports(chunks, chunk.fileName, app)) wanted.add(file);
  }
  return [...wanted];
}
