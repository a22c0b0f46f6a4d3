import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vitest/config';
import { adapterEnvironment } from '../webgpu-test/src/adapter.mjs';

// The laws on WebGPU are a run of their own, `npm run test:gpu`: on a software adapter they take minutes.
process.env['SEQ_LAWS'] ??= 'cpu';

// Test processes inherit these: a WebGPU adapter on machines without a GPU.
Object.assign(process.env, await adapterEnvironment());

/** WGSL files are text, WASM files bytes, as in the build. */
export const assets: Plugin = {
  name: 'seq-assets',
  enforce: 'pre',
  load(id) {
    if (id.endsWith('.wgsl')) return `export default ${JSON.stringify(readFileSync(id, 'utf8'))};`;
    if (id.endsWith('.wasm')) {
      const base64 = readFileSync(id).toString('base64');
      return `export default Uint8Array.from(atob('${base64}'), (c) => c.charCodeAt(0));`;
    }
    return null;
  },
};

/**
 * A bench is bundled into one module: Vitest reaches every import through a getter, and in a kernel's inner loop that
 * would be most of what is measured.
 */
const bundledBenches = {
  name: 'seq-bundled-benches',
  enforce: 'pre' as const,
  async load(id: string): Promise<string | null> {
    if (!id.endsWith('.bench.ts')) return null;
    const result = await build({
      entryPoints: [id],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'es2022',
      external: ['vitest'],
      loader: { '.wgsl': 'text', '.wasm': 'binary' },
    });
    return result.outputFiles[0]?.text ?? null;
  },
};

const benches = process.argv.includes('bench');
const slow = process.env['SEQ_SLOW'] === '1';
const kind = slow ? 'slow.test' : 'test';

/** A run started from a package's own `test` script leaves a report there: `npm test` adds these up. */
const inPackage =
  process.env['npm_lifecycle_event'] === 'test' &&
  /[/\\](packages|apps|tooling)[/\\][^/\\]+$/.test(process.cwd());

/** One configuration for the whole repository; tests run on the sources. */
export default defineConfig({
  plugins: [assets, bundledBenches],
  test: {
    include: [`{packages,apps}/*/src/**/*.${kind}.ts`, `tooling/*/{,src/**/}*.${kind}.ts`],
    exclude: ['**/node_modules/**', '**/dist/**', ...(slow ? [] : ['**/*.slow.test.ts'])],
    benchmark: { include: ['{packages,apps,tooling}/*/src/**/*.bench.ts'] },
    pool: 'forks',
    // Benches have the machine to themselves, and wait as users do.
    fileParallelism: !benches,
    // Vitest would leave a core to itself. The software adapter compiles on one core for each process.
    maxWorkers: availableParallelism(),
    setupFiles: benches ? [] : [join(import.meta.dirname, '..', 'webgpu-test', 'src', 'patience.mjs')],
    passWithNoTests: inPackage,
    testTimeout: slow ? 600_000 : 240_000,
    reporters: inPackage
      ? ['default', ['json', { outputFile: join(process.cwd(), '.cache', 'test.json') }]]
      : ['default'],
  },
});
