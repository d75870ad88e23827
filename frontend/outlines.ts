/**
 * Builds the pages themselves: each address of `infra/pages.json` gets an HTML file that already
 * holds the outline of its page, drawn by the app's own components, and asks for its scripts at
 * once. Whoever serves the files goes by the same list.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
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
}

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const FIRST = at("./src/first.js");
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
      if (!bundle) return [script("/src/first.js")];
      const name = Object.keys(bundle).find((file) => /first-[^/]*\.js$/.test(file));
      return [script(`/${name}`)];
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

const script = (src: string) =>
  ({ tag: "script", attrs: { src }, injectTo: "head-prepend" }) as const;

async function writePages(config: ResolvedConfig, chunks: Rollup.OutputChunk[]): Promise<void> {
  const drawn = at("./node_modules/.outlines");
  await build({
    root: config.root,
    logLevel: "warn",
    build: { ssr: at("./src/prerender.tsx"), outDir: drawn, emptyOutDir: true },
  });
  const out = join(config.root, config.build.outDir);
  const template = await readFile(join(out, "index.html"), "utf8");
  const pages = JSON.parse(await readFile(at("../infra/pages.json"), "utf8")) as PageFile[];
  const drawings = await draw(
    join(drawn, "prerender.js"),
    pages.map(({ at: [pattern = "/"], inside = false }) => ({ pattern, known: inside })),
  );
  // The last one is what starts the app, the ones before it are what it needs.
  const app = [...template.matchAll(MODULE)].map(([, file = ""]) => file).reverse();
  if (app.length === 0) throw new Error("The built index.html starts no script.");
  for (const [index, { file, title, inside, scripts }] of pages.entries()) {
    const html = template
      .replaceAll(MODULE, "")
      .replace("<title>Slipway</title>", `<title>${title ? `${title} · ` : ""}Slipway</title>`)
      .replace(
        '<div id="root"></div>',
        `<div id="root" data-outline="${inside ? "inside" : "open"}" data-app="${[
          ...app,
          ...partsOf(chunks, scripts, app),
        ].join(" ")}">${drawings[index]}</div>`,
      );
    await mkdir(dirname(join(out, file)), { recursive: true });
    await writeFile(join(out, file), html);
  }
  await rm(drawn, { recursive: true });
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

/** The files of a page's own parts, to be asked for beside the app's first ones. */
function partsOf(chunks: Rollup.OutputChunk[], scripts: string[], app: string[]): string[] {
  const wanted = new Set<string>();
  const want = (file: string) => {
    if (wanted.has(`/${file}`) || app.includes(`/${file}`)) return;
    wanted.add(`/${file}`);
    for (const one of chunks.find(({ fileName }) => fileName === file)?.imports ?? []) want(one);
  };
  for (const name of scripts) {
    const chunk = chunks.find(({ facadeModuleId }) =>
      facadeModuleId?.endsWith(`/src/features/${name}.tsx`),
    );
    if (!chunk) throw new Error(`infra/pages.json names ${name}, which is no part of the app.`);
    want(chunk.fileName);
  }
  return [...wanted];
}
