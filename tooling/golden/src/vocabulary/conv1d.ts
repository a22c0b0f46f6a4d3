import { hostRandom } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';
import { sigmoid } from './arrays.js';

interface Geometry {
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  /** Zeros ahead of the layer, then its own padding on both sides. */
  readonly front?: number;
  readonly padding?: readonly [number, number];
  readonly mode?: 'zeros' | 'reflect' | 'replicate' | 'circular';
}

/** Index into 0 … n − 1 of what torch reads at i; −1 is a zero. */
function readAt(i: number, n: number, mode: string): number {
  if (i >= 0 && i < n) return i;
  if (mode === 'reflect') return i < 0 ? -i : 2 * (n - 1) - i;
  if (mode === 'replicate') return i < 0 ? 0 : n - 1;
  if (mode === 'circular') return ((i % n) + n) % n;
  return -1;
}

/** y[b, o, t] = f(bias[o] + Σ_{c, k} w[o, c, k] x[b, group + c, S t + D k − before]). */
function conv(
  { 'in.x': x, 'param.weight': w, 'param.bias': bias }: Arrays,
  { stride = 1, dilation = 1, groups = 1, front = 0, padding = [0, 0], mode = 'zeros' }: Geometry,
  f: (v: number) => number = (v) => v,
): Arrays {
  const [B, I, T] = x.shape as [number, number, number];
  const [O, size, K] = w.shape as [number, number, number];
  const n = T + front;
  const outputs = Math.floor((n + padding[0] + padding[1] - dilation * (K - 1) - 1) / stride) + 1;
  const y = new Float64Array(B * O * outputs);
  for (let b = 0; b < B; b++)
    for (let o = 0; o < O; o++)
      for (let t = 0; t < outputs; t++) {
        let s = bias ? bias.data[o] : 0;
        const group = Math.floor(o / (O / groups)) * size;
        for (let c = 0; c < size; c++)
          for (let k = 0; k < K; k++) {
            const at = readAt(stride * t + dilation * k - padding[0], n, mode) - front;
            if (at >= 0) s += w.data[(o * size + c) * K + k] * x.data[(b * I + group + c) * T + at];
          }
        y[(b * O + o) * outputs + t] = f(s);
      }
  return { 'out.y': { shape: [B, O, outputs], data: y } };
}

const random = hostRandom(41);
const x = random.normal([2, 4, 9]);
const weight = random.normal([3, 4, 3]);
const bias = random.normal([3]);
const all = { 'in.x': x, 'param.weight': weight, 'param.bias': bias };

export const conv1dCases: readonly Recipe[] = [
  {
    family: 'conv1d',
    case: 'defaults',
    options: {},
    inputs: all,
    compute: (a) => conv(a, {}),
  },
  {
    family: 'conv1d',
    case: 'strided_dilated_no_bias',
    options: { kernel_size: 3, stride: 2, dilation: 2, padding: 3, bias: false, padding_mode: 'zeros' },
    inputs: { 'in.x': x, 'param.weight': weight },
    compute: (a) => conv(a, { stride: 2, dilation: 2, padding: [3, 3] }),
  },
  {
    family: 'conv1d',
    case: 'same_even_kernel_grouped',
    options: { kernel: 4, padding: 'same', dilation: 1, groups: 2, activation: 'none' },
    inputs: { 'in.x': x, 'param.weight': random.normal([6, 2, 4]), 'param.bias': random.normal([6]) },
    compute: (a) => conv(a, { groups: 2, padding: [1, 2] }),
  },
  {
    family: 'conv1d',
    case: 'valid_tanh',
    options: { padding: 'valid', activation: 'tanh' },
    inputs: all,
    compute: (a) => conv(a, {}, Math.tanh),
  },
  {
    family: 'conv1d',
    case: 'causal_strided_swish',
    options: { causal: true, stride: 3, padding: 1, activation: 'swish' },
    inputs: all,
    compute: (a) => conv(a, { front: 2, stride: 3, padding: [1, 1] }, (v) => v * sigmoid(v)),
  },
  ...(['reflect', 'replicate', 'circular'] as const).map((mode): Recipe => {
    return {
      family: 'conv1d',
      case: mode,
      options: { kernel: 3, padding: 2, padding_mode: mode },
      inputs: all,
      compute: (a) => conv(a, { padding: [2, 2], mode }),
    };
  }),
  {
    family: 'conv1d',
    case: 'causal_reflect',
    options: { kernel: 3, causal: true, padding: 1, padding_mode: 'reflect' },
    inputs: all,
    compute: (a) => conv(a, { front: 2, padding: [1, 1], mode: 'reflect' }),
  },
];
