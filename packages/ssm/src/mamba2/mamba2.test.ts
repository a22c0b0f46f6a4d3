import { key, normal, softplus, tensor } from '@seq/tensor';
import { decayMask } from '@seq/nn';
import { conformance } from '@seq/testing';
import { expect, test } from 'vitest';
import { mamba2, ssd } from './index.js';
import { ssdNaive } from './naive.js';

const [H, P, G, N] = [4, 3, 2, 5];

conformance(mamba2, {
  small: { dModel: 4, stateDim: 3, headDim: 2, numGroups: 2, chunkSize: 4 },
  learn: { dModel: 16, stateDim: 16, headDim: 8 },
  core: {
    inputs: ({ B, T, random }) => ({
      x: random.normal([B, T, H, P]),
      dt: random.normal([B, T, H]),
      A: random.uniform([H], { low: -4, high: -0.1 }),
      Bs: random.normal([B, T, G, N]),
      Cs: random.normal([B, T, G, N]),
      initial: random.normal([B, H, N, P]),
      D: random.normal([H]),
      dtBias: random.normal([H]),
    }),
    op({ x, dt, A, Bs, Cs, ...options }) {
      const [y, state] = ssd(x, dt, A, Bs, Cs, { ...options, dtSoftplus: true, chunkSize: 4 });
      return { y, state };
    },
    naive: (arrays) => {
      const data: Record<string, ArrayLike<number>> = Object.fromEntries(
        Object.entries(arrays).map(([k, v]) => [k, v.data]),
      );
      const [B, T] = arrays['x'].shape;
      return ssdNaive(data, { B, T, H, P, G, N });
    },
  },
});

test('resets keep packed sequences apart', async () => {
  const draw = (seed: number, shape: number[]) => normal(key(seed), shape, { dtype: 'f64' });
  const [x, dt] = [draw(1, [1, 9, 2, 3]), draw(2, [1, 9, 2]).square()];
  const [Bs, Cs] = [draw(3, [1, 9, 1, 4]), draw(4, [1, 9, 1, 4])];
  const A = tensor([-1, -0.3], { dtype: 'f64' });
  const flags = Array.from({ length: 9 }, (_, t) => t === 0 || t === 5);
  const [packed] = ssd(x, dt, A, Bs, Cs, { resets: tensor([flags]), chunkSize: 4 });
  for (const [from, to] of [
    [0, 5],
    [5, 9],
  ]) {
    const part = [x, dt, Bs, Cs].map((t) => t.slice(1, from, to).contiguous());
    const [alone] = ssd(part[0], part[1], A, part[2], part[3], { chunkSize: 4 });
    expect(await packed.slice(1, from, to).sub(alone).abs().max().item()).toBeLessThan(1e-13);
  }
});

test('a row of documents is as the documents alone, convolution and state', async () => {
  const f64 = { dtype: 'f64' } as const;
  const mixer = mamba2({ dModel: 4, stateDim: 3, headDim: 2, chunkSize: 4 });
  expect(mixer.honours).toContain('resets');
  const params = mixer.init(key(0), f64);
  const x = normal(key(1), [1, 11, 4], f64);
  const begins = [0, 3, 5];
  const resets = tensor([Array.from({ length: 11 }, (_, t) => begins.includes(t))]);
  const past = { conv: normal(key(2), [1, 14, 3], f64), ssm: normal(key(3), [1, 4, 3, 2], f64) };
  const [packed, state] = mixer.prefill(params, x, past, { resets });
  for (const [i, from] of begins.entries()) {
    const to = begins[i + 1] ?? 11;
    const [alone, last] = mixer.prefill(params, x.slice(1, from, to), mixer.initState(1, f64));
    expect(await packed.slice(1, from, to).sub(alone).abs().max().item()).toBeLessThan(1e-13);
    if (to < 11) continue;
    expect(await state.conv.sub(last.conv).abs().max().item()).toBeLessThan(1e-13);
    expect(await state.ssm.sub(last.ssm).abs().max().item()).toBeLessThan(1e-13);
  }
});

test('begins as published', async () => {
  const mixer = mamba2({ dModel: 128, stateDim: 4, headDim: 1 });
  const params = mixer.init(key(2));
  const rates = [...(await params.logA.exp().data())];
  expect(Math.min(...rates)).toBeGreaterThan(0.999);
  expect(Math.max(...rates)).toBeLessThan(16.001);
  // Uniform, not log-uniform: the mean of 256 lies within three deviations of 8.5.
  expect(Math.abs(rates.reduce((a, b) => a + b) / 256 - 8.5)).toBeLessThan((3 * 15) / Math.sqrt(12 * 256));
  const steps = [...(await softplus(params.dtBias).data())];
  expect(Math.min(...steps)).toBeGreaterThan(0.00099);
  expect(Math.max(...steps)).toBeLessThan(0.101);
  const mean = steps.reduce((sum, dt) => sum + Math.log(dt), 0) / 256;
  expect(Math.abs(mean - Math.log(0.01))).toBeLessThan((3 * Math.log(100)) / Math.sqrt(12 * 256));
  expect([...(await params.D.data())]).toEqual(new Array<number>(256).fill(1));
  expect([...(await params.norm!.weight.data())]).toEqual(new Array<number>(256).fill(1));
  expect((await params.inProj.weight.abs().max().item()) <= 1 / Math.sqrt(128)).toBe(true);
  expect((await params.conv.weight.abs().max().item()) <= 1 / Math.sqrt(4)).toBe(true);
  expect(params.inProj.bias).toBeUndefined();
  expect(decayMask(params, mixer.noDecay)).toMatchObject({
    logA: false,
    D: false,
    dtBias: false,
    outProj: { weight: true },
  });
});

test('sizes that do not fit are refused', () => {
  expect(() => mamba2({ dModel: 4, headDim: 3 })).toThrow(
    'mamba2: ssmDim / headDim must be a positive integer',
  );
  expect(() => mamba2({ dModel: 4, headDim: 2, ssmDim: 10 })).toThrow(
    'ssmDim must be at most expand · dModel = 8',
  );
});
