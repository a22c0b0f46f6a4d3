import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Files by path; an object is written as JSON. */
export type Files = Record<string, string | object>;

/** Writes files into a new folder, hands it to `use` and removes it. */
export async function withFiles<T>(files: Files, use: (root: string) => T | Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'seq-check-'));
  try {
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return await use(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const peer = { '@seq/nn': 'workspace:^', '@seq/tensor': 'workspace:^' };
const dev = { '@seq/nn': 'workspace:*', '@seq/tensor': 'workspace:*', '@seq/testing': 'workspace:*' };

/** The package.json of a room with one mechanism. */
export function roomManifest(room: string, mechanism: string): Record<string, unknown> {
  return {
    name: `@seq/${room}`,
    sideEffects: false,
    exports: {
      '.': './src/index.ts',
      [`./${mechanism}`]: `./src/${mechanism}/index.ts`,
      './package.json': './package.json',
    },
    publishConfig: {
      exports: {
        '.': { types: './dist/index.d.ts', default: './dist/index.js' },
        [`./${mechanism}`]: {
          types: `./dist/${mechanism}/index.d.ts`,
          default: `./dist/${mechanism}/index.js`,
        },
        './package.json': './package.json',
      },
    },
    peerDependencies: peer,
    devDependencies: dev,
  };
}

/** A small repository that obeys every rule: tensor, nn, testing, two rooms, lm, an app and a tool. */
export function goodRepository(): Files {
  const room = (name: string, mechanism: string): Files => ({
    [`packages/${name}/package.json`]: roomManifest(name, mechanism),
    [`packages/${name}/README.md`]: '# Room\n<!-- generated:mechanisms -->\n<!-- /generated -->\n',
    [`packages/${name}/src/index.ts`]: `export * from './${mechanism}/index.js';\n`,
    [`packages/${name}/src/${mechanism}/README.md`]: '# Maths\n',
    [`packages/${name}/src/${mechanism}/index.ts`]: `export { mixer } from './mixer.js';\n`,
    [`packages/${name}/src/${mechanism}/naive.ts`]: 'export const naive = 1;\n',
    [`packages/${name}/src/${mechanism}/mixer.ts`]: `import { nn } from '@seq/nn';\nimport type { T } from '@seq/tensor';\nexport const mixer = { kind: 'seq/${mechanism}', nn } as { kind: string; t?: T };\n`,
    [`packages/${name}/src/${mechanism}/${mechanism}.test.ts`]: `import '@seq/testing';\nimport 'vitest';\nimport './mixer.js';\n`,
    [`packages/${name}/src/${mechanism}/${mechanism}.bench.ts`]: '',
  });
  return {
    'packages/tensor/package.json': { name: '@seq/tensor', sideEffects: false },
    'packages/tensor/src/index.ts': `export const tensor = () => import('node:os');\nexport type T = number;\n`,
    'packages/nn/package.json': {
      name: '@seq/nn',
      peerDependencies: { '@seq/tensor': 'workspace:^' },
      devDependencies: { '@seq/tensor': 'workspace:*' },
    },
    'packages/nn/src/index.ts': `export { tensor as nn } from '@seq/tensor';\n`,
    'packages/testing/package.json': {
      name: '@seq/testing',
      peerDependencies: peer,
      devDependencies: { '@seq/nn': 'workspace:*', '@seq/tensor': 'workspace:*' },
    },
    'packages/testing/src/index.ts': `export * from '@seq/nn';\n`,
    ...room('rnn', 'ema'),
    ...room('conv', 'bigram'),
    'packages/lm/package.json': {
      name: '@seq/lm',
      peerDependencies: peer,
      devDependencies: { ...dev, '@seq/rnn': 'workspace:*' },
    },
    'packages/lm/src/index.ts': `export * from '@seq/nn';\n`,
    'packages/lm/src/lm.test.ts': `import '@seq/rnn/ema';\n`,
    'apps/lab/package.json': {
      name: 'seq-lab',
      dependencies: { '@seq/lm': 'workspace:*', commander: '14.0.3' },
    },
    'apps/lab/src/cli.ts': `import 'commander';\nimport '@seq/lm';\nimport 'node:fs';\n`,
    'tooling/readme/package.json': {
      name: '@seq-tooling/readme',
      devDependencies: { '@seq/rnn': 'workspace:*' },
    },
    'tooling/readme/src/run.ts': `import '@seq/rnn';\nimport '../../../packages/rnn/src/index.js';\n`,
  };
}
