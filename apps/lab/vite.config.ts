import { join } from 'node:path';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';
import { contentSecurityPolicy } from './src/serve.js';
import { loadText } from './src/text.js';

/** The novel beside the page, and the page's own copy of the policy for hosts that send no headers. */
const page: Plugin = {
  name: 'seq-lab-page',
  generateBundle() {
    this.emitFile({
      type: 'asset',
      fileName: 'moby-dick.txt',
      source: loadText({ kind: 'moby-dick' }).text,
    });
  },
  transformIndexHtml: () => [
    {
      tag: 'meta',
      attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
      injectTo: 'head-prepend',
    },
  ],
};

/** WGSL files are text and WASM files bytes, as in the packages' own build. */
const rolldownOptions = { moduleTypes: { '.wgsl': 'text', '.wasm': 'binary' } } as const;

/** The page of the lab: static files that work wherever they are put. */
export default defineConfig({
  root: join(import.meta.dirname, 'src', 'browser'),
  base: './',
  plugins: [page],
  build: {
    outDir: join(import.meta.dirname, 'dist', 'page'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions,
  },
  worker: { format: 'es', rolldownOptions },
});
