import { cpu, key, normal, tensor } from '@seq/tensor';
import { conformance, hostRandom } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { crossAttention } from './index.js';
import type { CrossAttentionOptions } from './index.js';
import { crossAttentionNaive } from './naive.js';
import { beforeContext, S } from './testkit.js';

const f64 = { device: cpu(), dtype: 'f64' } as const;

const instances: readonly [
  name: string,
  small: CrossAttentionOptions & { numHeads: number; numKvHeads: number },
][] = [
  ['cross-attention', { dModel: 6, numHeads: 4, numKvHeads: 2, headDim: 3, contextDim: 5 }],
  [
    'cross-attention, multi-query, softcap, without bias',
    { dModel: 8, numHeads: 2, numKvHeads: 1, softcap: 2, bias: false, scale: 0.7, initStd: 0.3 },
  ],
];
for (const [name, small] of instances) {
  const {
    dModel: C,
    numHeads: H,
    numKvHeads: G,
    contextDim: E = C,
    headDim: D = C / H,
    scale,
    softcap,
  } = small;
  conformance(beforeContext, {
    name,
    small,
    naive(params, x) {
      const [B, T] = x.shape;
      const rows = hostRandom(77).normal([1, S, E]).data;
      const context = Float64Array.from({ length: B * rows.length }, (_, i) => rows[i % rows.length]);
      const bias = (n: string, size: number): ArrayLike<number> =>
        params[`${n}.bias`]?.data ?? new Float64Array(size);
      return crossAttentionNaive({
        x: x.data,
        context,
        wq: params['q.weight'].data,
        wkv: params['kv.weight'].data,
        wo: params['out.weight'].data,
        biases: [bias('q', H * D), bias('kv', 2 * G * D), bias('out', C)],
        ...{ B, T, S, C, E, H, G, D },
        ...(scale !== undefined && { scale }),
        ...(softcap !== undefined && { softcap }),
      });
    },
  });
}

describe('crossAttention', () => {
  const mixer = crossAttention({ dModel: 8, numHeads: 2, contextDim: 3 });
  const params = mixer.init(key(0), f64);
  const x = normal(key(1), [2, 4, 8], f64);
  const context = normal(key(2), [2, 6, 3], f64);

  test('keys projected once serve every step', async () => {
    const whole = mixer.forward(params, x, { context });
    const keys = mixer.keys(params, context);
    for (let t = 0; t < 4; t++) {
      const y = mixer.look(params, x.slice(1, t, t + 1), keys);
      expect(
        await y
          .sub(whole.slice(1, t, t + 1))
          .abs()
          .max()
          .item(),
      ).toBeLessThan(1e-14);
    }
  });

  test('padding of the context is masked by look', async () => {
    const keep = tensor([0, 1].map(() => [true, true, true, true, false, false]));
    const y = mixer.look(params, x, mixer.keys(params, context), keep);
    const short = mixer.forward(params, x, { context: context.slice(1, 0, 4) });
    expect(await y.sub(short).abs().max().item()).toBeLessThan(1e-14);
  });

  test('a context without positions gives the bias', async () => {
    const y = mixer.forward(params, x, { context: context.slice(1, 0, 0) });
    expect(await y.abs().max().item()).toBe(0);
  });

  test('a missing or misshapen context is named', () => {
    expect(() => mixer.forward(params, x)).toThrow(
      'crossAttention.forward: context must be given, got none. Pass { context } of shape [B, S, 3].',
    );
    expect(() => mixer.forward(params, x, { context: x })).toThrow(
      'crossAttention.forward: context must be [B, S, E] = [2, S, 3], got [2, 4, 8].',
    );
    expect(() => crossAttention({ dModel: 8, numHeads: 3 })).toThrow(
      'crossAttention: numHeads must divide dModel',
    );
    expect(() => crossAttention({ dModel: 8, numHeads: 2, contextDim: 0 })).toThrow(
      'crossAttention: contextDim must be a positive integer, got 0.',
    );
  });
});
