/// <reference types="vitest/config" />
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { outlines } from "./outlines.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const port = Number(process.env.SLIPWAY_PORT ?? 8800);
const cloud = `http://localhost:${port}`;
const buckets = `http://127.0.0.1:${port + 4}`;

/** The font of the first line is asked for with the page, not when its first line is drawn. */
const preloadFont: Plugin = {
  name: "preload-font",
  transformIndexHtml: (_html, { bundle }) =>
    Object.keys(bundle ?? {})
      .filter((file) => /archivo-latin-(?!ext).*\.woff2$/.test(file))
      .map((file) => ({
        tag: "link",
        attrs: {
          rel: "preload",
          href: `/${file}`,
          as: "font",
          type: "font/woff2",
          crossorigin: "",
        },
      })),
};

interface Modules {
  getModuleInfo: (id: string) => { importedIds: string[] } | null;
}

/** Puts whatever the app starts with into one file. */
function firstLoad(): (id: string, modules: Modules) => string | null {
  let first: Set<string> | undefined;
  return (id, modules) => {
    if (!first) {
      first = new Set();
      const left = [at("./src/main.tsx")];
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        if (first.has(next)) continue;
        first.add(next);
        left.push(...(modules.getModuleInfo(next)?.importedIds ?? []));
      }
    }
    return first.has(id) ? "app" : null;
  };
}

export default defineConfig({
  plugins: [react(), tailwindcss(), preloadFont, outlines()],
  resolve: {
    alias: {
      "@": at("./src"),
      // Radix locks scrolling with a <style> element, which our content security policy refuses.
      "react-remove-scroll": at("./src/components/scroll-lock.tsx"),
    },
  },
  build: {
    target: "es2024",
    // Files of their own: what is inlined as data: needs a wider content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            {
              name: "react",
              test: /node_modules[\\/](react|react-dom|scheduler|react-router)[\\/]/,
              priority: 3,
            },
            // A handful of files instead of thirty: over a slow line each journey counts.
            { name: firstLoad(), debugName: "app", priority: 2 },
            {
              name: "parts",
              test: /[\\/](src[\\/](api|components)|lucide-react|@radix-ui)[\\/]/,
              minShareCount: 3,
              priority: 1,
            },
          ],
        },
      },
    },
  },
  worker: { format: "es" },
  server: {
    port: port + 90,
    strictPort: true,
    // The cloud knows one origin, its own: what comes from here comes as if from there.
    proxy: {
      ...Object.fromEntries(
        ["/api", "/local", "/media"].map((path) => [
          path,
          { target: cloud, changeOrigin: true, headers: { origin: cloud } },
        ]),
      ),
      "^/slipway-local-": { target: buckets, changeOrigin: true, headers: { origin: cloud } },
    },
  },
  test: {
    environment: "happy-dom",
    environmentOptions: { happyDOM: { url: "http://localhost:8800" } },
    setupFiles: ["src/testing/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    testTimeout: 60_000,
    restoreMocks: true,
    css: false,
  },
});
