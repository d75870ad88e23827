/// <reference types="vitest/config" />
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { outlines } from "./outlines.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const port = Number(process.env.SLIPWAY_PORT ?? 8800);

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
            },
            { name: "query", test: /node_modules[\\/]@tanstack[\\/](react-query|query-core)[\\/]/ },
          ],
        },
      },
    },
  },
  worker: { format: "es" },
  server: {
    port: port + 90,
    proxy: {
      "/api": `http://localhost:${port}`,
      "/local": `http://localhost:${port}`,
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
