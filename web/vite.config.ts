import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";
import { PAGES } from "./src/pages";

// Nothing inline and nothing from elsewhere. In the built page only: the development server injects styles.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content: POLICY },
        injectTo: "head-prepend",
      },
    ],
  };
}

export default defineConfig({
  plugins: [svelte(), contentSecurityPolicy()],
  base: "./",
  build: {
    outDir: "../src/fulltape/web/dist",
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: PAGES.map(({ path }) => `${path}index.html`) },
    license: { fileName: "licences.md" },
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8000", ws: true }, "/compat": "http://127.0.0.1:8000" } },
  test: { include: ["tests/**/*.test.ts"] },
});
