import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { treeEntries } from '@seq/tensor';
import type { Tree } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { fillStates, pages, quotedFiles, quoteFiles, withoutState } from './pages.js';
import { maxLength, states, statesTable } from './states.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const refresh = 'run: pnpm --filter @seq-tooling/staircase pages';

describe('the pages', () => {
  test.each(Object.keys(pages))('%s is up to date', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    expect(pages[page](text, root), refresh).toBe(text);
  });

  test('CONTRIBUTING.md quotes every stair, from the definition up', () => {
    const stairs = ['naive', 'step', 'parallel', 'kernel'].map((s) => `tooling/staircase/src/${s}.ts`);
    expect(quotedFiles(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8'))).toEqual(stairs);
  });

  test('docs/cpu.md quotes the kernel in WebAssembly and what calls it', () => {
    const files = ['wasm/index.as', 'src/simd.ts'].map((s) => `tooling/staircase/${s}`);
    expect(quotedFiles(readFileSync(join(root, 'docs/cpu.md'), 'utf8'))).toEqual(files);
  });

  test('a block takes the text of its file, other blocks stay', () => {
    const page = 'a\n<!-- from x.ts -->\n\n```ts\nold\n```\nb\n\n```ts\nother\n```\n';
    expect(quoteFiles(page, (file) => `text of ${file}\n`)).toBe(page.replace('old', 'text of x.ts'));
    expect(quotedFiles(page)).toEqual(['x.ts']);
    expect(() => fillStates(page, 'table')).toThrow('no region');
  });
});

describe('the table of states', () => {
  test.each(states.map((row) => [row.folder, row.holds, row] as const))('%s: %s', (_, __, row) => {
    const { mixer, sizes, state, reach } = row;
    const number = (word: string): number => {
      expect(sizes).toHaveProperty([word]);
      return sizes[word];
    };
    const leaves = mixer.causal ? treeEntries(mixer.initState(2, { maxLength }) as Tree) : [];
    const want = Object.entries(state).map(([path, shape]) => [path, shape.map(number)]);
    expect(leaves.map(([path, leaf]) => [path, [...leaf.shape]])).toEqual(want);
    expect(mixer.reach).toBe(reach === undefined ? undefined : number(reach));
  });

  test('a mechanism without a row is named', () => {
    const folder = mkdtempSync(join(tmpdir(), 'seq-states-'));
    for (const name of ['ema', 'min-gru']) {
      mkdirSync(join(folder, 'packages/rnn/src', name), { recursive: true });
      writeFileSync(join(folder, 'packages/rnn/src', name, 'mixer.ts'), '');
    }
    expect(withoutState(folder)).toEqual(['rnn/min-gru']);
    rmSync(folder, { recursive: true });
  });

  test('groups tensors of one shape and tells the train form', () => {
    const [full] = states;
    const lstm = states.find(({ folder }) => folder === 'rnn/lstm')!;
    expect(statesTable([full, lstm]).split('\n').slice(2)).toEqual([
      '| [`attention`](../packages/attention/src/attention/README.md) | `k, v [B, S, G, D]`, `position, first [B]` | keys and values of all positions, room for S = `maxLength` | everything before | all positions at once |',
      '| [`lstm`](../packages/rnn/src/lstm/README.md) | `h [B, P]`, `c [B, H]` | a cell, and what it shows (P = H without projection) | everything before | T steps inside one op |',
    ]);
  });
});
