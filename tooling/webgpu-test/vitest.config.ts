import { join } from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { assets } from '../config/vitest.js';
import { browserLaunch } from './src/adapter.mjs';

const root = join(import.meta.dirname, '..', '..');

/** What must also hold in a browser: headless Chromium with WebGPU. */
export default defineConfig({
  root,
  plugins: [assets],
  // A page may share memory with its workers only where it is isolated from other origins.
  server: {
    headers: {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    },
  },
  cacheDir: join(root, 'node_modules', '.cache', 'vite-browser'),
  test: {
    include: ['tooling/webgpu-test/src/**/*.browser.ts'],
    testTimeout: 180_000,
    fileParallelism: false,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: await browserLaunch() }),
      instances: [{ browser: 'chromium' }],
    },
    reporters:
      process.env['npm_lifecycle_event'] === 'test'
        ? ['default', ['json', { outputFile: join(import.meta.dirname, '.cache', 'test.json') }]]
        : ['default'],
  },
});
