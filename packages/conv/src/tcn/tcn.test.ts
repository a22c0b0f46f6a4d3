import { grad, key, normal, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { expect, test } from 'vitest';
import { tcn } from './mixer.js';
import { tcnNaive } from './naive.js';
import type { NaiveTcnConv } from './naive.js';
import { weightNorm } from './op.js';

/** The definition over parameters by path. */
function naiveOf(
  { C, H, W, dilations }: { C: number; H: number; W: number; dilations: readonly number[] },
  params: Readonly<Record<string, HostArray>>,
  x: HostArray,
): Float64Array {
  const of = (path: string, I: number): NaiveTcnConv => {
    const gain = params[`${path}.gain`];
    const [v, bias] = [params[`${path}.weight`].data, params[`${path}.bias`].data];
    return { v, bias, ...(gain && { gain: gain.data }), I, O: H };
  };
  const map = (path: string): { weight: Float64Array; bias: Float64Array } | undefined => {
    const weight = params[`${path}.weight`];
    return weight && { weight: weight.data, bias: params[`${path}.bias`].data };
  };
  const blocks = dilations.map((dilation, l) => {
    const skip = map(`blocks.${l}.skip`);
    const first = of(`blocks.${l}.first`, l === 0 ? C : H);
    return { dilation, first, second: of(`blocks.${l}.second`, H), ...(skip && { skip }) };
  });
  return tcnNaive(x.data, blocks, { B: x.shape[0], T: x.shape[1], C, W }, map('out'));
}

const small = { dModel: 4, convWidth: 3, dilations: [1, 2] };

conformance(tcn, {
  small,
  core: {
    inputs: ({ B, T, random }) => ({ v: random.normal([B, T + 1, 3]), gain: random.normal([3]) }),
    op: ({ v, gain }) => weightNorm(v, gain),
    naive({ v, gain }) {
      const n = v.shape[0] * v.shape[1];
      return v.data.map((value, i) => {
        const o = i % 3;
        let power = 0;
        for (let k = 0; k < n; k++) power += v.data[k * 3 + o] ** 2;
        return (gain.data[o] * value) / Math.sqrt(power);
      });
    },
  },
  naive: (params, x) => naiveOf({ C: 4, H: 4, W: 3, dilations: small.dilations }, params, x),
});

conformance(tcn, {
  name: 'tcn, other width inside, no weight norm',
  small: { dModel: 3, hidden: 5, convWidth: 2, dilations: [1, 2], weightNorm: false, dropout: 0.2 },
  learn: { dModel: 16, hidden: 24, convWidth: 2, dilations: [1, 2], weightNorm: false },
  naive: (params, x) => naiveOf({ C: 3, H: 5, W: 2, dilations: [1, 2] }, params, x),
});

test('the last output depends on the last `reach` inputs and on no other', async () => {
  const mixer = tcn({ dModel: 8, convWidth: 3, dilations: [1, 2] });
  expect(mixer.reach).toBe(13);
  const params = mixer.init(key(0), { dtype: 'f64' });
  const x = normal(key(1), [1, 16, 8], { dtype: 'f64' });
  const g = await grad((input: Tensor) => mixer.forward(params, input).at(-1, 1).sum(), x)
    .abs()
    .sum([0, 2])
    .data();
  g.forEach((v, s) => expect(v !== 0, `∂y/∂x_${s} = ${v}`).toBe(15 - s < 13));
});

test('dropout takes whole channels, the same ones in every form', async () => {
  const mixer = tcn({ dModel: 6, convWidth: 2, dilations: [1, 2], dropout: 0.5 });
  const params = mixer.init(key(0), { dtype: 'f64' });
  const x = normal(key(1), [2, 5, 6], { dtype: 'f64' });
  const dropped = mixer.forward(params, x, { key: key(7) });
  let state = mixer.initState(2, { dtype: 'f64' });
  for (let t = 0; t < 5; t++) {
    const [y, next] = mixer.step(params, x.at(t, 1), state, { key: key(7) });
    state = next;
    expect(await y.sub(dropped.at(t, 1)).abs().max().item()).toBeLessThan(1e-12);
  }
  const other = mixer.forward(params, x, { key: key(8) });
  expect(await other.sub(dropped).abs().max().item()).toBeGreaterThan(1e-3);
  const kept = mixer.forward(params, x);
  expect(await kept.sub(dropped).abs().max().item()).toBeGreaterThan(1e-3);
});

test('with dropout 1 nothing but the way around is left', async () => {
  const mixer = tcn({ dModel: 3, dilations: [1], dropout: 1 });
  const x = tensor([[[1, -2, 3]]]);
  const y = mixer.forward(mixer.init(key(0)), x, { key: key(1) });
  expect([...(await y.data())]).toEqual([1, 0, 3]);
});

test.each([
  [{ dModel: 4, dilations: [] }, 'tcn: dilations must be a list with one entry per layer, got [].'],
  [{ dModel: 4, hidden: 0 }, 'tcn: hidden must be a positive integer, got 0.'],
  [{ dModel: 4, convWidth: 1.5 }, 'tcn: convWidth must be a positive integer, got 1.5.'],
  [{ dModel: 4, dropout: 2 }, 'tcn: dropout must be within 0 … 1, got 2.'],
])('tcn refuses %j', (options, message) => {
  expect(() => tcn(options)).toThrow(message);
});

test('weightNorm refuses what does not fit', () => {
  const v = normal(key(0), [2, 3, 4]);
  expect(() => weightNorm(v.at(0), v.at(0).at(0))).toThrow('weightNorm: v must be [W, I, O], got [3, 4].');
  expect(() => weightNorm(v, normal(key(1), [3]))).toThrow('weightNorm: gain must be [O] = [4], got [3].');
});
