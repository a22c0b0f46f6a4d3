import {
  createCpu,
  explain,
  key,
  normal,
  ones,
  softplus,
  sum,
  tensor,
  uniform,
  valueAndGrad,
  vjp,
  zeros,
} from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { decayMask } from '@seq/nn';
import { testDevices } from '@seq/testing';
import { loadKernels } from '@seq/tensor/engine';
import { describe, expect, test } from 'vitest';
import { mamba, selectiveScan } from './index.js';

await loadKernels();

interface Case {
  readonly B: number;
  readonly T: number;
  readonly C: number;
  readonly N: number;
  /** Shapes of B and C: groups, or `fixed`. */
  readonly Bs: number | 'fixed';
  readonly Cs: number | 'fixed';
  readonly plain?: boolean;
}

/** y, the last state and all gradients of a scan on a device. */
async function results({ B, T, C, N, Bs, Cs, plain = false }: Case, device: Device): Promise<Float32Array[]> {
  const draw = (seed: number, shape: number[]): Tensor => normal(key(seed, { device }), shape);
  const rows = (seed: number, groups: number | 'fixed'): Tensor =>
    draw(seed, groups === 'fixed' ? [C, N] : [B, T, groups, N]);
  const params = {
    u: draw(1, [B, T, C]),
    delta: plain ? uniform(key(2, { device }), [B, T, C], { low: 0, high: 1 }) : draw(2, [B, T, C]),
    A: uniform(key(3, { device }), [C, N], { low: -4, high: -0.1 }),
    Bs: rows(4, Bs),
    Cs: rows(5, Cs),
    h0: draw(6, [B, C, N]),
    ...(plain ? {} : { D: draw(7, [C]), z: draw(8, [B, T, C]), deltaBias: draw(9, [C]) }),
  };
  const weights = [draw(10, [B, T, C]), draw(11, [B, C, N])];
  const run = (p: typeof params): [Tensor, Tensor] =>
    selectiveScan(p.u, p.delta, p.A, p.Bs, p.Cs, { ...p, deltaSoftplus: !plain });
  const [, grads] = valueAndGrad((p: typeof params) => {
    const [y, h] = run(p);
    return sum(y.mul(weights[0])).add(sum(h.mul(weights[1])));
  }, params);
  const all = [...run(params), ...Object.values(grads as Record<string, Tensor>)];
  return Promise.all(all.map(async (t) => (await t.data()) as Float32Array));
}

function expectSame(got: readonly Float32Array[], want: readonly Float32Array[], tolerance: number): void {
  want.forEach((w, k) => {
    const size = w.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-3);
    expect(got[k].length).toBe(w.length);
    w.forEach((v, i) => {
      if (!(Math.abs(got[k][i] - v) <= tolerance * size))
        expect.fail(`result ${k}, element ${i}: ${got[k][i]} instead of ${v}, largest ${size}`);
    });
  });
}

const cases: [string, Case][] = [
  ['one channel over chunks', { B: 1, T: 150, C: 1, N: 16, Bs: 1, Cs: 1 }],
  ['many channels, on both sides of a border', { B: 2, T: 65, C: 70, N: 16, Bs: 1, Cs: 1 }],
  ['groups of four channels, a state too many for a vector', { B: 2, T: 66, C: 8, N: 17, Bs: 2, Cs: 2 }],
  ['three channels, chunks of eight', { B: 2, T: 20, C: 3, N: 130, Bs: 1, Cs: 1, plain: true }],
  ['groups of three channels, three states', { B: 1, T: 64, C: 6, N: 3, Bs: 2, Cs: 2 }],
  ['fixed B and C', { B: 2, T: 70, C: 5, N: 4, Bs: 'fixed', Cs: 'fixed' }],
  ['fixed B only, nothing optional', { B: 1, T: 67, C: 3, N: 2, Bs: 'fixed', Cs: 3, plain: true }],
  ['many states', { B: 1, T: 19, C: 2, N: 70, Bs: 1, Cs: 1 }],
  ['one position', { B: 3, T: 1, C: 4, N: 5, Bs: 1, Cs: 1 }],
  ['more states than the kernels hold', { B: 1, T: 3, C: 4, N: 1030, Bs: 1, Cs: 1 }],
  ['no positions', { B: 2, T: 0, C: 4, N: 5, Bs: 1, Cs: 1 }],
];

describe('selectiveScan', () => {
  const loops = createCpu({ wasm: false });
  const others: [string, Device | null][] = [
    ...testDevices().map((on): [string, Device | null] => [on.kind, on.device]),
    ['plain', createCpu({ wasm: 'plain', poison: true })],
  ];
  for (const [kind, device] of others) {
    test.skipIf(device === null).each(cases)(
      `${kind}: %s, values and gradients as the loops`,
      async (_, c) => {
        expectSame(await results(c, device!), await results(c, loops), 2e-5);
      },
    );
  }

  test('threads change no bit', async () => {
    const size = { B: 4, T: 130, C: 70, N: 16, Bs: 1, Cs: 1 };
    const three = createCpu({ threads: 3 });
    await results(size, three);
    for (let i = 0; three.threads < 3 && i < 2000; i++) await new Promise((done) => setTimeout(done, 5));
    expect(three.threads).toBe(3);
    const [alone, together] = [await results(size, createCpu()), await results(size, three)];
    alone.forEach((w, k) => expect(together[k]).toEqual(w));
  });

  test.skipIf(createCpu().build === 'loops')('rates that grow, and what f32 cannot hold', async () => {
    const at = (x: number[]): Tensor => tensor(x, { shape: [1, 1, 4] });
    const one = ones([1, 1, 1]);
    const [u, delta, A] = [
      at([1, 1, 1, NaN]),
      at([2, 60, 1, 1]),
      tensor([3, 2, -200, -1], { shape: [4, 1] }),
    ];
    const h0 = ones([1, 4, 1]);
    const [y] = selectiveScan(u, delta, A, one, one, { h0 });
    const got = [...(await y.data())];
    expect(got[0]).toBeCloseTo(Math.exp(6) + 2, 3);
    expect(got[1]).toBe(Infinity);
    expect(got[2]).toBe(1);
    expect(got[3]).toBeNaN();
  });

  test.each(testDevices())(
    '$kind: training memory is within 1.3 times inputs, outputs and gradients, from the plan',
    ({ device }) => {
      if (!device) return;
      const [B, T, C, N] = [1, 16_384, 64, 16];
      const x = (): Tensor => zeros([B, T, C], { device });
      const row = (): Tensor => zeros([B, T, N], { device });
      const params = { u: x(), delta: x(), z: x(), Bs: row(), Cs: row(), A: zeros([C, N], { device }) };
      const gradients = (p: typeof params, dy: Tensor): unknown =>
        vjp(
          (q: typeof params) => {
            return selectiveScan(q.u, q.delta, q.A, q.Bs, q.Cs, { z: q.z, deltaSoftplus: true })[0];
          },
          [p],
          dy,
        );
      const plan = explain(gradients, params, x());
      expect(plan.kernels.map((k) => k.op)).toContain('selectiveScan.backward');
      expect(plan.peakBytes / (plan.inputBytes + plan.outputBytes)).toBeLessThan(1.3);
    },
  );
});

describe('mamba', () => {
  test('begins as published', async () => {
    const mixer = mamba({ dModel: 32, stateDim: 4 });
    const params = mixer.init(key(3));
    const logA = await params.logA.data();
    logA.forEach((v, i) => expect(v).toBeCloseTo(Math.log(1 + (i % 4)), 6));
    const steps = [...(await softplus(params.dtProj.bias).data())];
    for (const dt of steps) expect(dt).toBeGreaterThan(0.00099);
    for (const dt of steps) expect(dt).toBeLessThan(0.101);
    const mean = steps.reduce((s, dt) => s + Math.log(dt), 0) / steps.length;
    expect(mean).toBeGreaterThan(Math.log(0.01) - 0.6);
    expect(mean).toBeLessThan(Math.log(0.01) + 0.6);
    expect([...(await params.D.data())]).toEqual(new Array<number>(64).fill(1));
    expect(params.dtProj.weight.shape).toEqual([64, 2]);
    expect((await params.dtProj.weight.abs().max().item()) <= 1 / Math.SQRT2).toBe(true);
    expect(decayMask(params, mixer.noDecay)).toMatchObject({
      logA: false,
      D: false,
      outProj: { weight: true },
    });
  });

  test('what does not fit is refused', () => {
    expect(() => mamba({ dModel: 4, stateDim: 0 })).toThrow(
      'mamba: stateDim must be a positive integer, got 0',
    );
    const [u, A] = [ones([1, 3, 4]), ones([4, 2])];
    expect(() => selectiveScan(u, u, A, ones([1, 3, 3]), ones([1, 3, 2]))).toThrow(
      'selectiveScan: B must be [B, T, G, N] = [1, 3, 1, 2], got [1, 3, 1, 3]',
    );
    expect(() => selectiveScan(u, u, A, ones([1, 3, 3, 2]), ones([1, 3, 3, 2]))).toThrow(
      'must divide the channels C = 4',
    );
    expect(() => selectiveScan(u, u, ones([3, 2]), A, A)).toThrow('u must be [B, T, C] and A [C, N]');
  });
});
