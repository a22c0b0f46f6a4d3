import { expect, test } from 'vitest';
import { cycles } from './checks.js';
import { withFiles } from './fixture.js';
import type { Files } from './fixture.js';

const files = (back: string): Files => ({
  'packages/a/tsconfig.json': { compilerOptions: { module: 'esnext', moduleResolution: 'bundler' } },
  'packages/a/src/one.ts': `import { two } from './two.js';\nexport const one = () => two;\nexport type One = 1;\n`,
  'packages/a/src/two.ts': `import { three } from './three.js';\nexport const two = () => three;\n`,
  'packages/a/src/three.ts': back,
  'apps/b/src/b.ts': 'export {};\n',
  'tooling/c/src/c.ts': 'export {};\n',
});

test('a circle over three files is found', async () => {
  const text = `import { one } from './one.js';\nexport const three = () => one;\n`;
  expect((await withFiles(files(text), (root) => cycles(root))).join()).toMatch(/no-cycle/);
});

test('a circle that is closed by a type alone is none', async () => {
  const text = `import type { One } from './one.js';\nexport const three = (): One => 1;\n`;
  expect(await withFiles(files(text), (root) => cycles(root))).toEqual([]);
});
