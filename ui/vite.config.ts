import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/**
 * Static files with hashed names below /ui/; the Cockpit serves them from its package folder `cockpit/ui`.
 * No inline script, no data: fonts, no other host: the content security policy is `default-src 'self'`.
 */
export default defineConfig({
  base: "/ui/",
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
