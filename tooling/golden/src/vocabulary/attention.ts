import { hostRandom } from '@seq/testing/golden';
import type { HostArray } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';
import { fill } from './arrays.js';

interface Rules {
  /** Whether query i may see key j. */
  sees(i: number, j: number): boolean;
  /** What is added to a bent score. */
  bias?(h: number, i: number, j: number): number;
  readonly softcap?: number;
  readonly sinks?: ArrayLike<number>;
}

const [B, T, S, HQ, H, D] = [2, 3, 5, 4, 2, 2];
const random = hostRandom(60);
const heads: Arrays = {
  'in.q': random.normal([B, T, HQ, D]),
  'in.k': random.normal([B, S, H, D]),
  'in.v': random.normal([B, S, H, D]),
};

/** Everything the two families store, from one loop over rows. */
function rowsOf(inputs: Arrays, { sees, bias, softcap, sinks }: Rules): Record<string, HostArray> {
  const { 'in.q': q, 'in.k': k, 'in.v': v } = inputs;
  const zero = (shape: number[]): HostArray => fill(shape, () => 0);
  const out = {
    o: zero([B, T, HQ, D]),
    lse: zero([B, HQ, T]),
    attn: zero([B, HQ, T, S]),
    max_logits: zero([B, T, HQ]),
  };
  for (let row = 0; row < B * HQ * T; row++) {
    const [b, h, i] = [Math.floor(row / (HQ * T)), Math.floor(row / T) % HQ, row % T];
    const at = (j: number): number => ((b * S + j) * H + Math.floor((h * H) / HQ)) * D;
    const to = ((b * T + i) * HQ + h) * D;
    const scores = Array.from({ length: S }, (_, j) => {
      if (!sees(i, j)) return -Infinity;
      let s = 0;
      for (let d = 0; d < D; d++) s += (q.data[to + d] * k.data[at(j) + d]) / Math.sqrt(D);
      if (softcap) s = softcap * Math.tanh(s / softcap);
      return s + (bias?.(h, i, j) ?? 0);
    });
    const sink = sinks ? sinks[h] : -Infinity;
    const sum = [...scores, sink].reduce((total, s) => total + Math.exp(s), 0);
    out.lse.data[row] = Math.log(sum);
    out.max_logits.data[(b * T + i) * HQ + h] = Math.max(...scores, sink);
    for (const [j, s] of scores.entries()) {
      out.attn.data[row * S + j] = Math.exp(s) / sum;
      for (let d = 0; d < D; d++) out.o.data[to + d] += (Math.exp(s) / sum) * v.data[at(j) + d];
    }
  }
  return out;
}

function recipe(
  family: 'attention' | 'attention_sink',
  name: string,
  options: Record<string, unknown>,
  rules: (inputs: Arrays) => Rules,
  extra: Arrays = {},
): Recipe {
  const names = family === 'attention' ? ['o', 'lse', 'attn'] : ['o', 'max_logits'];
  const still = new Set(['in.alibi_slopes']);
  const inputs = { ...heads, ...extra };
  return {
    family,
    case: name,
    options,
    inputs,
    loss: ['o'],
    moving: Object.keys(inputs).filter((n) => !still.has(n)),
    compute(arrays) {
      const rows = rowsOf(arrays, rules(arrays));
      return Object.fromEntries(names.map((n) => [`out.${n}`, rows[n]]));
    },
  };
}

/** Position of query i: the last stands at the last key. */
const p = (i: number): number => i + S - T;

export const attentionCases: readonly Recipe[] = [
  recipe('attention', 'plain', {}, () => ({ sees: () => true })),
  recipe('attention', 'window_of_few_queries', { causal: true, window_size: [1, 3], softcap: 1.5 }, () => ({
    sees: (i, j) => j >= p(i) - 1 && j <= p(i),
    softcap: 1.5,
  })),
  recipe('attention', 'ahead', { window_size: [-1, 1] }, () => ({ sees: (i, j) => j <= p(i) + 1 })),
  recipe(
    'attention',
    'alibi_both_ways',
    { alibi: true },
    ({ 'in.alibi_slopes': slopes }) => ({
      sees: () => true,
      bias: (h, i, j) => -slopes.data[h] * Math.abs(p(i) - j),
    }),
    { 'in.alibi_slopes': { shape: [HQ], data: Float64Array.of(0.5, 0.25, 0.125, 0.0625) } },
  ),
  recipe(
    'attention_sink',
    'sees_all',
    { causal: false },
    ({ 'in.sink_bias': sinks }) => ({ sees: () => true, sinks: sinks.data }),
    { 'in.sink_bias': random.normal([HQ]) },
  ),
  recipe(
    'attention_sink',
    'window_of_one',
    { window_size: 1 },
    ({ 'in.sink_bias': sinks }) => ({ sees: (i, j) => j === p(i), sinks: sinks.data }),
    { 'in.sink_bias': random.normal([HQ]) },
  ),
];
