import { expect, test } from 'vitest';
import { camelCase, pascalCase, rename } from './rename.js';

const from = { room: 'rnn', name: 'ema', op: 'exponentialMovingAverage' };
const to = { room: 'ssm', name: 'min-gru' };
const cases: [before: string, after: string][] = [
  [`import { ema } from './ema/index.js';`, `import { minGru } from './min-gru/index.js';`],
  [
    `export function emaNaive(o: EmaOptions): Ema {`,
    `export function minGruNaive(o: MinGruOptions): MinGru {`,
  ],
  [`kind: 'seq/ema'`, `kind: 'seq/min-gru'`],
  [`from '@seq/rnn/ema'`, `from '@seq/ssm/min-gru'`],
  [`npm i @seq/rnn @seq/tensor`, `npm i @seq/ssm @seq/tensor`],
  [
    `see packages/rnn/src/ema/naive.ts and ema.test.ts`,
    `see packages/ssm/src/min-gru/naive.ts and min-gru.test.ts`,
  ],
  [`const naiveEma = naive_ema; emaOp(ema_1)`, `const naiveMinGru = naive_minGru; minGruOp(minGru_1)`],
  [`exponentialMovingAverage(x)`, `minGruOp(x)`],
  [`# EMA, the EMA's decay`, `# MinGru, the MinGru's decay`],
  [`schema cinema Email emails remaining`, `schema cinema Email emails remaining`],
];
for (const [before, after] of cases) {
  test(before, () => expect(rename(before, from, to)).toBe(after));
}

test('cases', () => {
  expect(camelCase('gated-delta-rule')).toBe('gatedDeltaRule');
  expect(pascalCase('gated-delta-rule')).toBe('GatedDeltaRule');
  expect(pascalCase('mamba3')).toBe('Mamba3');
});
