import { hostRandom } from '@seq/testing/golden';
import type { Recipe } from '../case-writer.js';
import { fill, sigmoid } from './arrays.js';

// Away from the kinks, where differences could not tell the gradient.
const x = fill([23], (i) => Math.fround(-4.13 + 0.37 * i + 0.01 * hostRandom(i).next()));

function elementwise(name: string, options: Record<string, unknown>, f: (x: number) => number): Recipe {
  return {
    family: 'activations',
    case: name,
    options,
    inputs: { 'in.x': x },
    compute: ({ 'in.x': v }) => ({ 'out.y': { shape: v.shape, data: v.data.map(f) } }),
  };
}

const elu = (v: number, alpha: number): number => (v > 0 ? v : alpha * Math.expm1(v));
const clamp = (v: number, low: number, high: number): number => Math.min(high, Math.max(low, v));

export const activationCases: readonly Recipe[] = [
  elementwise('relu', {}, (v) => Math.max(0, v)),
  elementwise('relu6', {}, (v) => clamp(v, 0, 6)),
  elementwise('leaky_relu', { negative_slope: 0.2 }, (v) => (v > 0 ? v : 0.2 * v)),
  elementwise('elu', { alpha: 1.7 }, (v) => elu(v, 1.7)),
  elementwise('elu_plus1', { alpha: 0.5 }, (v) => elu(v, 0.5) + 1),
  elementwise('celu', { alpha: 2 }, (v) => (v > 0 ? v : 2 * Math.expm1(v / 2))),
  elementwise('selu', {}, (v) => 1.0507009873554805 * elu(v, 1.6732632423543772)),
  elementwise(
    'gelu',
    { approximate: 'tanh' },
    (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
  ),
  elementwise('quick_gelu', {}, (v) => v * sigmoid(1.702 * v)),
  elementwise('swish', { beta: 0.7 }, (v) => v * sigmoid(0.7 * v)),
  elementwise('softplus', { beta: 3, threshold: 9 }, (v) =>
    3 * v > 9 ? v : Math.log1p(Math.exp(3 * v)) / 3,
  ),
  elementwise('softsign', {}, (v) => v / (1 + Math.abs(v))),
  elementwise('tanhshrink', {}, (v) => v - Math.tanh(v)),
  elementwise('hardtanh', { min_val: -2, max_val: 0.5 }, (v) => clamp(v, -2, 0.5)),
  elementwise('hardsigmoid', {}, (v) => clamp(v + 3, 0, 6) / 6),
  elementwise('hardswish', {}, (v) => (v * clamp(v + 3, 0, 6)) / 6),
];
