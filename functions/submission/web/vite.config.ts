import { defineConfig } from "vite";

// One script, one style, fixed names: the service serves them by ETag, and the
// committed build changes only where the sources do.
export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "style.css" : "[name][extname]"),
      },
    },
  },
  test: { environment: "node", include: ["test/*.test.ts"] },
} as any);
