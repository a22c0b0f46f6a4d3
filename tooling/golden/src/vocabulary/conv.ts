import { hostRandom } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';
import { sigmoid } from './arrays.js';

/** y_t = f(b + Σ_j w_{W−1−j} x_{t−j}) for every channel; what precedes x is the initial state, or zero. */
function conv(a: Arrays, silu: boolean): Arrays {
  const { 'in.x': x, 'param.weight': w, 'param.bias': bias, 'in.initial_states': first } = a;
  const [B, D, T] = x.shape as [number, number, number];
  const W = w.shape[1];
  const y = new Float64Array(B * D * T);
  const final = new Float64Array(B * D * (W - 1));
  for (let r = 0; r < B * D; r++) {
    const past = first
      ? [...first.data.subarray(r * (W - 1), (r + 1) * (W - 1))]
      : new Array<number>(W - 1).fill(0);
    const all = [...past, ...x.data.subarray(r * T, (r + 1) * T)];
    for (let t = 0; t < T; t++) {
      let s = bias ? bias.data[r % D] : 0;
      for (let j = 0; j < W; j++) s += w.data[(r % D) * W + j] * all[t + j];
      y[r * T + t] = silu ? s * sigmoid(s) : s;
    }
    final.set(all.slice(all.length - (W - 1)), r * (W - 1));
  }
  return { 'out.y': { shape: x.shape, data: y }, 'out.final_states': { shape: [B, D, W - 1], data: final } };
}

/** With the outputs of the step form, which are the same. */
function withSteps(results: Arrays): Arrays {
  return { ...results, 'state.y_step': results['out.y'] };
}

const random = hostRandom(40);

export const convCases: readonly Recipe[] = [
  {
    family: 'causal_conv1d',
    case: 'linear',
    options: { activation: null, width: 3, bias: true },
    inputs: {
      'in.x': random.normal([2, 3, 5]),
      'param.weight': random.normal([3, 3]),
      'param.bias': random.normal([3]),
    },
    compute: (a) => withSteps(conv(a, false)),
  },
  {
    family: 'causal_conv1d',
    case: 'no_bias_width2',
    options: { activation: 'swish', width: 2, bias: false },
    inputs: { 'in.x': random.normal([1, 2, 4]), 'param.weight': random.normal([2, 2]) },
    compute: (a) => withSteps(conv(a, true)),
  },
  {
    family: 'causal_conv1d',
    case: 'states_in_and_out',
    options: { activation: 'silu', width: 4, bias: false, return_final_states: true },
    inputs: {
      'in.x': random.normal([2, 2, 2]),
      'param.weight': random.normal([2, 4]),
      'in.initial_states': random.normal([2, 2, 3]),
    },
    loss: ['y', 'final_states'],
    compute: (a) => withSteps(conv(a, true)),
  },
];
