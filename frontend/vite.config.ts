/// <reference types="vitest/config" />
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const port = Number(process.env.SLIPWAY_PORT ?? 8800);

export default defineConfig({
  plugins: [react(), tailwindcss()],
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
