import react from "@vitejs/plugin-react";
import { type Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** See src/editor/workers.ts: Monaco without the features that editing JSON does not need. */
const monacoWorkers: Plugin = {
  name: "stellwerk-monaco-workers",
  enforce: "pre",
  resolveId(source, importer) {
    if (!source.endsWith("internal/common/workers.js") || importer?.includes("monaco-editor") !== true) return undefined;
    return decodeURIComponent(new URL("src/editor/workers.ts", import.meta.url).pathname);
  },
};

/**
 * Static files with hashed names below /ui/; the Cockpit serves them from its package folder `cockpit/ui`.
 * No inline script, no data: fonts, no other host: the content security policy is `default-src 'self'`.
 */
export default defineConfig({
  base: "/ui/",
  plugins: [monacoWorkers, react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Monaco, which only the inventory loads; ui.md 7.2 has the budgets.
    chunkSizeWarningLimit: 3000,
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
