import { describe, expect, test } from 'vitest';
import { examplesOf, missingPrint, moduleOf } from './examples.js';
import { row, table } from './mechanisms.js';
import { camelCase } from './needs.js';
import type { Mechanism } from './mechanisms.js';
import { fillRegion, hasRegion } from './regions.js';

const open = '<!-- generated:mechanisms -->';
const close = '<!-- /generated -->';

describe('regions', () => {
  test('the content replaces what was there, the rest stays', () => {
    const text = `a\n${open}\nold\n${close}\nb\n${open}${close}`;
    const filled = fillRegion(text, 'mechanisms', 'new\n');
    expect(filled).toBe(`a\n${open}\n\nnew\n\n${close}\nb\n${open}\n\nnew\n\n${close}`);
    expect(fillRegion(filled, 'mechanisms', 'new')).toBe(filled);
  });

  test('other regions and texts without any are left alone', () => {
    const other = `<!-- generated:other -->x${close}`;
    expect(fillRegion(other, 'mechanisms', 'new')).toBe(other);
    expect(hasRegion(other, 'mechanisms')).toBe(false);
  });

  test('a region left open is an error', () => {
    expect(() => fillRegion(`${open}\nold`, 'mechanisms', 'new')).toThrow('is not closed');
    expect(() => fillRegion(`${open} <!-- generated:other --> ${close}`, 'mechanisms', 'new')).toThrow(
      'is not closed',
    );
  });
});

describe('examples', () => {
  const markdown = [
    '# Title',
    '```sh',
    'npm i',
    '```',
    '```ts',
    'const a = 1; // → not this',
    'console.log(a); // → 1',
    '```',
    '  ```ts',
    '  b();',
    '  ```',
    '```ts no',
    'c();',
    '```',
    '````',
    '```ts',
    'd();',
    '```',
    '````',
  ].join('\n');

  test('only blocks fenced as ts count, with their lines', () => {
    expect(examplesOf(markdown).map(({ line, code }) => [line, code.split('\n')[0]])).toEqual([
      [6, 'const a = 1; // → not this'],
      [10, 'b();'],
    ]);
  });

  test('line numbers of the module are those of the README', () => {
    const [first] = examplesOf(markdown);
    expect(moduleOf(first).split('\n')[5]).toBe('const a = 1; // → not this');
  });

  test('promised prints must come in their order', () => {
    expect(examplesOf(markdown)[0]?.prints).toEqual(['not this', '1']);
    expect(missingPrint(['1', '2'], ['0', '1', 'x', '2'])).toBeUndefined();
    expect(missingPrint(['2', '1'], ['1', '2'])).toBe('1');
    expect(missingPrint(['1', '1'], ['1'])).toBe('1');
  });
});

describe('mechanisms', () => {
  const cost = ({ T, form }: { T: number; form: string }): object => ({
    params: 10,
    flops: form === 'step' ? 7 : 7 * T,
    stateFloats: 1234,
    matmulFlops: 0,
  });
  const mechanism = (causal: boolean): Mechanism =>
    ({
      room: 'rnn',
      name: 'min-gru',
      mixer: { causal, spec: { kind: 'seq/min-gru' }, cost },
    }) as unknown as Mechanism;

  test('a row is what the mixer says it costs', () => {
    expect(row(mechanism(true))).toEqual({
      name: 'minGru',
      entry: '@seq/rnn/min-gru',
      kind: 'seq/min-gru',
      link: 'packages/rnn/src/min-gru/README.md',
      params: 10,
      state: 1234,
      forwardFlops: 1792,
      stepFlops: 7,
    });
  });

  test('the table links from where it stands; what has no step shows a dash', () => {
    const text = table([row(mechanism(true)), row(mechanism(false))], 'packages/rnn');
    expect(text).toContain(
      '| [`minGru`](src/min-gru/README.md) | `@seq/rnn/min-gru` | `seq/min-gru` | 10 | 1,234 | 1,792 | 7 |',
    );
    expect(text).toContain('| 10 | – | 1,792 | – |');
    expect(table([row(mechanism(true))], '.')).toContain('(packages/rnn/src/min-gru/README.md)');
  });

  test('folders in kebab case have factories in camel case', () => {
    expect(camelCase('gated-delta-rule')).toBe('gatedDeltaRule');
  });
});
