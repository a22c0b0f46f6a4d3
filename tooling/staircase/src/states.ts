import { attention, crossAttention } from '@seq/attention';
import { bigram, cnn, ff, tcn, wavenet } from '@seq/conv';
import {
  deltaRule,
  gatedDeltaRule,
  gla,
  hgrn2,
  linearAttention,
  retnet,
  rwkv7,
  simpleGla,
} from '@seq/linear-attn';
import type { Mixer } from '@seq/nn';
import { elman, ema, gru, lstm } from '@seq/rnn';
import { lru, mamba, mamba2, s4d, s5 } from '@seq/ssm';

/** What a mechanism carries from one position to the next; a row of the table in docs/map.md. */
export interface StateRow {
  /** Folder of room and mechanism. */
  readonly folder: string;
  /** An instance in which unlike sizes are unlike numbers. */
  readonly mixer: Mixer;
  /** Numbers of that instance by what the row calls them. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Shape of each tensor of the state by its path, in words of `sizes`. */
  readonly state: Readonly<Record<string, readonly string[]>>;
  /** Room for the shapes as the table shows them, where there are many. */
  readonly shown?: string;
  /** Positions that count, the present one included; absent: all. */
  readonly reach?: string;
  /** What is in the state. */
  readonly holds: string;
}

/** `maxLength` of the states in the table. */
export const maxLength = 7;

const heads = { B: 2, S: maxLength, G: 2, D: 6, W: 4 };
const dilated = { B: 2, C: 12, H: 5, R: 5, 'W − 1': 2, W: 3, '(W − 1)δ': 4 };
const matrices = { B: 2, C: 12, H: 3, K: 4, V: 5, 'V + 1': 6, 'W − 1': 3, 'H (2K + V)': 39, 1: 1 };
const cache = (positions: string): StateRow['state'] => ({
  k: ['B', positions, 'G', 'D'],
  v: ['B', positions, 'G', 'D'],
  position: ['B'],
  first: ['B'],
});

/** All mechanisms, the rooms in the order of their names. */
export const states: readonly StateRow[] = [
  {
    folder: 'attention/attention',
    mixer: attention({ dModel: 24, numHeads: 4, numKvHeads: 2 }),
    sizes: heads,
    state: cache('S'),
    holds: 'keys and values of all positions, room for S = `maxLength`',
  },
  {
    folder: 'attention/attention',
    mixer: attention({ dModel: 24, numHeads: 4, numKvHeads: 2, windowSize: 4 }),
    sizes: heads,
    state: cache('W'),
    reach: 'W',
    holds: 'with `windowSize`: those of the last W',
  },
  {
    folder: 'attention/cross-attention',
    mixer: crossAttention({ dModel: 12, numHeads: 4 }),
    sizes: { 1: 1 },
    state: {},
    reach: '1',
    holds: 'nothing; the context is given at every call',
  },
  {
    folder: 'conv/bigram',
    mixer: bigram({ dModel: 12 }),
    sizes: { 1: 1 },
    state: {},
    reach: '1',
    holds: 'nothing',
  },
  {
    folder: 'conv/cnn',
    mixer: cnn({ dModel: 12, convWidth: 3, dilations: [1, 2] }),
    sizes: { ...dilated, '1 + (W − 1) Σδ': 7 },
    state: { 'inputs.0': ['B', 'W − 1', 'C'], 'inputs.1': ['B', '(W − 1)δ', 'C'] },
    shown: 'per layer `[B, (W − 1)δ, C]`',
    reach: '1 + (W − 1) Σδ',
    holds: 'the last inputs of each layer',
  },
  {
    folder: 'conv/ff',
    mixer: ff({ dModel: 12 }),
    sizes: { 1: 1 },
    state: {},
    reach: '1',
    holds: 'nothing',
  },
  {
    folder: 'conv/tcn',
    mixer: tcn({ dModel: 12, hidden: 5, convWidth: 3, dilations: [1, 2] }),
    sizes: { ...dilated, '1 + 2 (W − 1) Σδ': 13 },
    state: {
      'inputs.0': ['B', 'W − 1', 'C'],
      'inputs.1': ['B', 'W − 1', 'H'],
      'inputs.2': ['B', '(W − 1)δ', 'H'],
      'inputs.3': ['B', '(W − 1)δ', 'H'],
    },
    shown: 'twice per block `[B, (W − 1)δ, C or H]`',
    reach: '1 + 2 (W − 1) Σδ',
    holds: 'the last inputs of both convolutions of each block',
  },
  {
    folder: 'conv/wavenet',
    mixer: wavenet({ dModel: 12, convWidth: 3, dilations: [1, 2], residualChannels: 5 }),
    sizes: { ...dilated, 'W + (W − 1) Σδ': 9 },
    state: {
      'inputs.0': ['B', 'W − 1', 'C'],
      'inputs.1': ['B', 'W − 1', 'R'],
      'inputs.2': ['B', '(W − 1)δ', 'R'],
    },
    shown: '`[B, W − 1, C]`, per layer `[B, (W − 1)δ, R]`',
    reach: 'W + (W − 1) Σδ',
    holds: 'the last inputs of each layer, R residual channels',
  },
  {
    folder: 'linear-attn/delta-rule',
    mixer: deltaRule({ dModel: 12, numHeads: 3, keyDim: 4, valueDim: 5 }),
    sizes: matrices,
    state: { S: ['B', 'H', 'K', 'V'], conv: ['B', 'W − 1', 'H (2K + V)'] },
    holds: 'values by key, of which each position replaces one; the last inputs of a filter',
  },
  {
    folder: 'linear-attn/gated-delta-rule',
    mixer: gatedDeltaRule({ dModel: 12, numHeads: 3, keyDim: 4, valueDim: 5 }),
    sizes: matrices,
    state: { S: ['B', 'H', 'K', 'V'], conv: ['B', 'W − 1', 'H (2K + V)'] },
    holds: 'the same, fading by head',
  },
  {
    folder: 'linear-attn/gla',
    mixer: gla({ dModel: 12, numHeads: 3, keyDim: 4, valueDim: 5 }),
    sizes: matrices,
    state: { S: ['B', 'H', 'K', 'V'] },
    holds: 'sums of key ⊗ value, fading by key channel',
  },
  {
    folder: 'linear-attn/hgrn2',
    mixer: hgrn2({ dModel: 12, numHeads: 3, keyDim: 4, valueDim: 5 }),
    sizes: matrices,
    state: { S: ['B', 'H', 'K', 'V'] },
    holds: 'values, each channel a fading mean',
  },
  {
    folder: 'linear-attn/linear-attention',
    mixer: linearAttention({ dModel: 12, numHeads: 3, keyDim: 4, valueDim: 5 }),
    sizes: matrices,
    state: { S: ['B', 'H', 'K', 'V + 1'], conv: ['B', 'W − 1', 'H (2K + V)'] },
    holds: 'sums of φ(key) ⊗ value and of φ(key); the last inputs of a filter',
  },
  {
    folder: 'linear-attn/retnet',
    mixer: retnet({ dModel: 12, numHeads: 3, keyDim: 4, valueDim: 5 }),
    sizes: matrices,
    state: { S: ['B', 'H', 'K', 'V'], position: ['B'] },
    holds: 'sums of key ⊗ value, each head fading at its own rate',
  },
  {
    folder: 'linear-attn/rwkv7',
    mixer: rwkv7({ dModel: 12, headDim: 4 }),
    sizes: matrices,
    state: { before: ['B', '1', 'C'], S: ['B', 'H', 'K', 'K'] },
    holds: 'values by key, erased and fading by channel; the input before',
  },
  {
    folder: 'linear-attn/simple-gla',
    mixer: simpleGla({ dModel: 12, numHeads: 3, keyDim: 4, valueDim: 5 }),
    sizes: matrices,
    state: { S: ['B', 'H', 'K', 'V'] },
    holds: 'sums of key ⊗ value, fading by head as each position says',
  },
  {
    folder: 'rnn/elman',
    mixer: elman({ dModel: 12, hiddenDim: 5 }),
    sizes: dilated,
    state: { h: ['B', 'H'] },
    holds: 'a vector, rewritten as a whole',
  },
  {
    folder: 'rnn/ema',
    mixer: ema({ dModel: 12 }),
    sizes: dilated,
    state: { h: ['B', 'C'] },
    holds: 'a fading mean of each channel',
  },
  {
    folder: 'rnn/gru',
    mixer: gru({ dModel: 12, hiddenDim: 5 }),
    sizes: dilated,
    state: { h: ['B', 'H'] },
    holds: 'a vector, partly rewritten',
  },
  {
    folder: 'rnn/lstm',
    mixer: lstm({ dModel: 12, hiddenDim: 5, projSize: 3 }),
    sizes: { B: 2, H: 5, P: 3 },
    state: { h: ['B', 'P'], c: ['B', 'H'] },
    holds: 'a cell, and what it shows (P = H without projection)',
  },
  {
    folder: 'ssm/lru',
    mixer: lru({ dModel: 12, stateDim: 5 }),
    sizes: { B: 2, N: 5 },
    state: { 'h.re': ['B', 'N'], 'h.im': ['B', 'N'] },
    holds: 'fading, turning sums that all channels share',
  },
  {
    folder: 'ssm/mamba',
    mixer: mamba({ dModel: 12, stateDim: 5 }),
    sizes: { B: 2, I: 24, N: 5, 'W − 1': 3 },
    state: { conv: ['B', 'I', 'W − 1'], ssm: ['B', 'I', 'N'] },
    holds:
      'the last inputs of the convolution; N fading sums of each channel, their rates chosen by the input',
  },
  {
    folder: 'ssm/mamba2',
    mixer: mamba2({ dModel: 12, stateDim: 5, headDim: 8 }),
    sizes: { B: 2, I: 24, 'I + 2N': 34, H: 3, N: 5, P: 8, 'W − 1': 3 },
    state: { conv: ['B', 'I + 2N', 'W − 1'], ssm: ['B', 'H', 'N', 'P'] },
    holds: 'the last inputs of the convolution; a fading matrix of each head',
  },
  {
    folder: 'ssm/s4d',
    mixer: s4d({ dModel: 12, stateDim: 10 }),
    sizes: { B: 2, C: 12, M: 5 },
    state: { 'h.re': ['B', 'C', 'M'], 'h.im': ['B', 'C', 'M'] },
    holds: 'M = N / 2 fading, turning sums of each channel',
  },
  {
    folder: 'ssm/s5',
    mixer: s5({ dModel: 12, stateDim: 10 }),
    sizes: { B: 2, M: 5 },
    state: { 'h.re': ['B', 'M'], 'h.im': ['B', 'M'] },
    holds: 'M = N / 2 fading, turning sums that all channels share',
  },
];

/** The table of states in Markdown, links as seen from docs/. */
export function statesTable(rows: readonly StateRow[]): string {
  const lines = rows.map(({ folder, mixer, state, shown, reach, holds }) => {
    const [room, name] = folder.split('/');
    const byShape = new Map<string, string[]>();
    for (const [path, shape] of Object.entries(state)) {
      const text = `[${shape.join(', ')}]`;
      byShape.set(text, [...(byShape.get(text) ?? []), path]);
    }
    const shapes = [...byShape].map(([shape, paths]) => `\`${paths.join(', ')} ${shape}\``).join(', ');
    const cells = [
      `[\`${name}\`](../packages/${room}/src/${name}/README.md)`,
      shown ?? (shapes || 'none'),
      holds,
      reach === undefined
        ? 'everything before'
        : reach === '1'
          ? 'the position itself'
          : `${reach} positions`,
      mixer.serial ? 'T steps inside one op' : 'all positions at once',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| mechanism | state | what it holds | sees | train form |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}
