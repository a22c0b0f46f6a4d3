import { describe, expect, test } from 'vitest';
import { concat, conv1d, normal, relu, slice, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { defineMixer } from '@seq/nn';
import type { NoncausalMixer } from '@seq/nn';
import { conformance, judge } from '../conformance.js';
import type { ConformanceOptions } from '../types.js';

interface Options {
  readonly dModel: number;
}

type Bug = 'reaches further than it declares' | 'sees one side only';

/** Sees three positions to either side: y = relu(conv(x)), for testing the laws that hold without causality. */
function window({ dModel: C }: Options, bug?: Bug): NoncausalMixer<{ weight: Tensor }> {
  const W = 7;
  return defineMixer<{ weight: Tensor }>({
    causal: false,
    spec: { kind: 'test/window', dModel: C, options: {} },
    reach: bug === 'reaches further than it declares' ? 3 : 7,
    init: (key, o) => ({ weight: normal(key, [W, C, C], { std: (W * C) ** -0.5, ...o }) }),
    forward({ weight }, x) {
      if (bug !== 'sees one side only') return relu(conv1d(x, weight, { padding: 'same' }));
      const blind = concat(
        [slice(weight, 0, 0, 3), zeros([4, C, C], { device: x.device, dtype: x.dtype })],
        0,
      );
      return relu(conv1d(x, blind, { padding: 'same' }));
    },
    cost({ B, T }) {
      const matmulFlops = 2 * B * T * W * C * C;
      return { params: W * C * C, matmulFlops, flops: matmulFlops + B * T * C, stateFloats: 0 };
    },
  });
}

const options: ConformanceOptions<Options> = {
  small: { dModel: 4 },
  naive(params, { data: x, shape }) {
    const [B, T, C] = shape as [number, number, number];
    const w = params['weight'].data;
    const y = new Float64Array(x.length);
    for (let b = 0; b < B; b++)
      for (let t = 0; t < T; t++)
        for (let o = 0; o < C; o++) {
          let s = 0;
          for (let j = -3; j <= 3; j++)
            for (let i = 0; i < C && t + j >= 0 && t + j < T; i++)
              s += x[(b * T + t + j) * C + i] * w[((j + 3) * C + i) * C + o];
          y[(b * T + t) * C + o] = Math.max(0, s);
        }
    return y;
  },
};

conformance((o: Options) => window(o), options);

describe('bugs planted in a mixer that is not causal', () => {
  test.each([
    ['reaches further than it declares', 'causality'],
    ['sees one side only', 'learn'],
  ] as const)('%s: %s', async (bug, law) => {
    const [verdict] = await judge((o: Options) => window(o, bug), options, [law]);
    console.log(`"${bug}" is caught: ${verdict.error?.message}`);
    expect(verdict.error?.name).toBe('LawError');
  });
});
