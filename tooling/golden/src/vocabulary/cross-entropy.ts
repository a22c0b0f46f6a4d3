import { hostRandom } from '@seq/testing/golden';
import type { HostArray } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';

type Reduction = 'mean' | 'sum' | 'none';

interface Settings {
  readonly reduction?: Reduction;
  readonly label_smoothing?: number;
  readonly ignore_index?: number;
}

/** log p of every class of a row. */
function logSoftmax(row: readonly number[]): number[] {
  const top = Math.max(...row);
  const lse = top + Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0));
  return row.map((v) => v - lse);
}

/** Classes on axis 1 of [N, V, K]; K is 1 for [N, V]. */
function crossEntropy(
  a: Arrays,
  { reduction = 'mean', label_smoothing: e = 0, ignore_index = -100 }: Settings,
): Arrays {
  const { 'in.logits': logits, 'in.target': target, 'in.weight': weight } = a;
  const [N, V] = logits.shape as [number, number];
  const K = logits.data.length / (N * V);
  const w = (v: number): number => (weight ? weight.data[v] : 1);
  const losses: number[] = [];
  let total = 0;
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++) {
      const logp = logSoftmax(Array.from({ length: V }, (_, v) => logits.data[(n * V + v) * K + k]));
      const smooth = logp.reduce((s, l, v) => s - (e / V) * w(v) * l, 0);
      if (target.dtype === 'i32') {
        const y = target.data[n * K + k];
        const counts = y !== ignore_index;
        losses.push(counts ? -(1 - e) * w(y) * logp[y] + smooth : 0);
        total += counts ? w(y) : 0;
      } else {
        losses.push(
          logp.reduce((s, l, v) => s - (1 - e) * target.data[(n * V + v) * K + k] * w(v) * l, smooth),
        );
        total += 1;
      }
    }
  const sum = losses.reduce((s, v) => s + v, 0);
  if (reduction === 'none') {
    const shape = logits.shape.filter((_, i) => i !== 1);
    return { 'out.loss': { shape, data: Float64Array.from(losses) } };
  }
  return { 'out.loss': { shape: [], data: Float64Array.of(reduction === 'sum' ? sum : sum / total) } };
}

const random = hostRandom(50);
const logits = random.normal([5, 4], { std: 2 });
const weight = random.uniform([4], { low: 0.2, high: 2 });
const target = (...values: number[]): HostArray => ({
  shape: [values.length],
  dtype: 'i32',
  data: Float64Array.from(values),
});

function recipe(name: string, options: Settings & { weight?: boolean }, inputs: Arrays): Recipe {
  return {
    family: 'cross_entropy',
    case: name,
    options: { ...options },
    inputs,
    moving: ['in.logits'],
    compute: (a) => crossEntropy(a, options),
  };
}

const shares = random.uniform([5, 4]);
for (let n = 0; n < 5; n++) {
  const row = shares.data.subarray(4 * n, 4 * n + 4);
  const sum = row.reduce((a, b) => a + b);
  row.forEach((v, i) => (row[i] = Math.fround(v / sum)));
}

export const crossEntropyCases: readonly Recipe[] = [
  recipe(
    'weighted',
    { weight: true },
    { 'in.logits': logits, 'in.target': target(0, 3, 1, 1, 2), 'in.weight': weight },
  ),
  recipe(
    'weighted_smooth_ignored',
    { weight: true, label_smoothing: 0.3, ignore_index: 1 },
    {
      'in.logits': logits,
      'in.target': target(0, 3, 1, 1, 2),
      'in.weight': weight,
    },
  ),
  recipe(
    'weighted_sum',
    { weight: true, reduction: 'sum' },
    { 'in.logits': logits, 'in.target': target(0, 3, 1, -100, 2), 'in.weight': weight },
  ),
  recipe(
    'probabilities',
    { label_smoothing: 0.1, weight: true },
    { 'in.logits': logits, 'in.target': shares, 'in.weight': weight },
  ),
  recipe(
    'images',
    { reduction: 'none', label_smoothing: 0.1 },
    {
      'in.logits': random.normal([2, 3, 4]),
      'in.target': { shape: [2, 4], dtype: 'i32', data: Float64Array.of(0, 1, 2, -100, 1, 1, 0, 2) },
    },
  ),
];
