import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    manifest: true,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // Swagger UI, on the page of the documentation alone; what Studio may weigh is in scripts/budget.mjs.
    chunkSizeWarningLimit: 1700,
    rolldownOptions: {
      input: { studio: "index.html", docs: "docs.html", sw: "src/push/sw.ts" },
      // A service worker's address is its identity, so it alone has no hash.
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
  test: { include: ["tests/**/*.test.ts"] },
});
