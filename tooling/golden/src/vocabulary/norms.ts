import { hostRandom } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';

/** Rows of n normalised elements, gain and shift by column. */
function layerNorm(
  { 'in.x': x, 'param.weight': w, 'param.bias': b }: Arrays,
  n: number,
  eps: number,
): Arrays {
  const y = new Float64Array(x.data.length);
  for (let r = 0; r < y.length; r += n) {
    const row = x.data.subarray(r, r + n);
    const mean = row.reduce((a, v) => a + v, 0) / n;
    const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / n;
    for (let i = 0; i < n; i++)
      y[r + i] = ((row[i] - mean) / Math.sqrt(variance + eps)) * (w ? w.data[i] : 1) + (b ? b.data[i] : 0);
  }
  return { 'out.y': { shape: x.shape, data: y } };
}

function rmsNorm({ 'in.x': x, 'param.weight': w }: Arrays, n: number, eps: number): Arrays {
  const y = new Float64Array(x.data.length);
  for (let r = 0; r < y.length; r += n) {
    const row = x.data.subarray(r, r + n);
    const scale = 1 / Math.sqrt(row.reduce((a, v) => a + v * v, 0) / n + eps);
    for (let i = 0; i < n; i++) y[r + i] = row[i] * scale * (w ? w.data[i] : 1);
  }
  return { 'out.y': { shape: x.shape, data: y } };
}

const random = hostRandom(10);
const x = random.normal([2, 3, 4]);
const gain = (shape: number[]): Arrays[string] => random.normal(shape, { mean: 1, std: 0.3 });

export const normCases: readonly Recipe[] = [
  {
    family: 'layernorm',
    case: 'no_affine',
    options: { eps: 1e-3, affine: false },
    inputs: { 'in.x': x },
    compute: (a) => layerNorm(a, 4, 1e-3),
  },
  {
    family: 'layernorm',
    case: 'two_axes',
    options: { eps: 1e-5, elementwise_affine: true, normalized_shape: [3, 4] },
    inputs: { 'in.x': x, 'param.weight': gain([3, 4]), 'param.bias': gain([3, 4]) },
    compute: (a) => layerNorm(a, 12, 1e-5),
  },
  {
    family: 'layernorm',
    case: 'no_bias',
    options: { affine: true, bias: false },
    inputs: { 'in.x': x, 'param.weight': gain([4]) },
    compute: (a) => layerNorm(a, 4, 1e-5),
  },
  {
    family: 'rmsnorm',
    case: 'no_weight',
    options: { eps: 1e-2, affine: false },
    inputs: { 'in.x': x },
    compute: (a) => rmsNorm(a, 4, 1e-2),
  },
  {
    family: 'rmsnorm',
    case: 'two_axes',
    options: { eps: 1e-6 },
    inputs: { 'in.x': x, 'param.weight': gain([3, 4]) },
    compute: (a) => rmsNorm(a, 12, 1e-6),
  },
];
