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
        // Its licence wants to be named where it is copied.
        banner: (chunk) => (chunk.isEntry ? "/*! With oauth4webapi, Copyright (c) Filip Skokan, MIT License, https://github.com/panva/oauth4webapi */" : ""),
        entryFileNames: "app.js",
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "style.css" : "[name][extname]"),
      },
    },
  },
  test: { environment: "node", include: ["test/*.test.ts"] },
} as any);
