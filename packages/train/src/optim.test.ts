import { readFileSync } from 'node:fs';
import {
  compile,
  createCpu,
  decodeSafetensors,
  DTypeError,
  OptionError,
  scope,
  ShapeError,
  tensor,
} from '@seq/tensor';
import type { Device, DType, Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { adam, adamw } from './adam.js';
import { clipByGlobalNorm } from './clip.js';
import type { Optimizer, OptimizerState } from './optimizer.js';
import { cosineAnnealing } from './schedules.js';
import { sgd } from './sgd.js';

const goldenFolder = new URL('../../../tooling/golden/data/optim/', import.meta.url);

interface Case {
  options: Record<string, unknown>;
  tensors: Record<string, { shape: readonly number[]; data: Float64Array }>;
}

function golden(name: string): Case {
  const { tensors, metadata } = decodeSafetensors(readFileSync(new URL(`${name}.safetensors`, goldenFolder)));
  const values = Object.entries(tensors).map(([key, { dtype, shape, data }]) => {
    const { buffer } = data.slice();
    return [
      key,
      {
        shape,
        data: dtype === 'F64' ? new Float64Array(buffer) : Float64Array.from(new Float32Array(buffer)),
      },
    ];
  });
  return {
    options: JSON.parse(metadata['options']) as Case['options'],
    tensors: Object.fromEntries(values) as Case['tensors'],
  };
}

/** Runs an optimiser over given gradients and collects the parameters after each step. */
async function follow(
  optimizer: Optimizer,
  p0: ArrayLike<number>,
  grads: readonly ArrayLike<number>[],
  { dtype = 'f64', device, clip }: { dtype?: DType; device?: Device; clip?: number } = {},
): Promise<{ p: number[][]; state: OptimizerState; norms: number[] }> {
  let params = { w: tensor(Float64Array.from(p0), { dtype, device }) };
  let state = optimizer.init(params);
  const p: number[][] = [];
  const norms: number[] = [];
  for (const g of grads) {
    let given = { w: tensor(Float64Array.from(g), { dtype, device }) };
    if (clip !== undefined) {
      const [clipped, norm] = clipByGlobalNorm(given, clip);
      norms.push(await norm.item());
      given = clipped;
    }
    [params, state] = optimizer.update(params, given, state);
    p.push([...(await params.w.data())]);
  }
  return { p, state, norms };
}

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, relative: number): void {
  expect(got.length).toBe(want.length);
  const scale = Math.max(...Array.from(want, Math.abs), Number.MIN_VALUE);
  for (let i = 0; i < want.length; i++)
    expect(Math.abs(got[i] - want[i]) / scale, `element ${i}: ${got[i]} for ${want[i]}`).toBeLessThanOrEqual(
      relative,
    );
}

describe('golden cases in f64', () => {
  const cases: [string, (lr: number, o: Record<string, never>) => Optimizer][] = [
    ['adamw', (lr, o) => adamw({ lr, weightDecay: o['weight_decay'] })],
    [
      'adamw_betas_eps',
      (lr, o) => adamw({ lr, betas: o['betas'], eps: o['eps'], weightDecay: o['weight_decay'] }),
    ],
    ['adamw_clip', (lr) => adamw({ lr })],
    ['adamw_cosine', (lr) => adamw({ lr: cosineAnnealing({ initial: lr, halfPeriod: 12, floor: lr / 10 }) })],
    ['zero_grad_adamw', (lr) => adamw({ lr })],
    ['sgd_momentum', (lr, o) => sgd({ lr, momentum: o['momentum'] })],
    [
      'sgd_nesterov_wd',
      (lr, o) =>
        sgd({ lr, momentum: o['momentum'], nesterov: o['nesterov'], weightDecay: o['weight_decay'] }),
    ],
  ];
  test.each(cases)('%s', async (name, make) => {
    const { options, tensors } = golden(name);
    const optimizer = make(options['lr'] as number, options as Record<string, never>);
    const [steps, n] = tensors['in.grads'].shape as [number, number];
    const grads = Array.from({ length: steps }, (_, s) =>
      tensors['in.grads'].data.subarray(s * n, (s + 1) * n),
    );
    const clip = (options['clip_grad_norm'] as number | null) ?? undefined;
    const { p, state, norms } = await follow(optimizer, tensors['in.p0'].data, grads, { clip });
    expectClose(p.flat(), tensors['out.p'].data, 1e-9);
    expectClose(
      Array.from({ length: steps }, (_, s) => optimizer.schedule.at(s)),
      tensors['out.lr'].data,
      1e-12,
    );
    if (tensors['out.grad_norm']) expectClose(norms, tensors['out.grad_norm'].data, 1e-9);
    const slots = { 'out.exp_avg': 'm', 'out.exp_avg_sq': 'v', 'out.momentum_buffer': 'b' };
    for (const [key, slot] of Object.entries(slots)) {
      if (tensors[key]) expectClose(await (state[slot] as { w: Tensor }).w.data(), tensors[key].data, 1e-9);
    }
    expect(await state.step.item()).toBe(steps);
  });
});

/** Gradients that change sign and size, so that every branch of a rule matters. */
const p0 = [0.5, -1.25, 2, 0];
const someGrads = Array.from({ length: 9 }, (_, t) =>
  p0.map((_, i) => Math.sin(3 * t + i) * (t === 4 ? 20 : 1) + (i === 3 ? 0.1 : 0)),
);

/** The rules as PyTorch's documentation writes them, element by element. */
function adamByHand(o: {
  lr: number;
  b1: number;
  b2: number;
  eps: number;
  wd: number;
  amsgrad?: boolean;
  l2?: boolean;
  maximize?: boolean;
}): number[] {
  return p0.map((start, i) => {
    let [p, m, v, top] = [start, 0, 0, 0];
    someGrads.forEach((row, k) => {
      const t = k + 1;
      let g = o.maximize ? -row[i] : row[i];
      if (o.l2) g += o.wd * p;
      else p -= o.lr * o.wd * p;
      m = o.b1 * m + (1 - o.b1) * g;
      v = o.b2 * v + (1 - o.b2) * g * g;
      top = Math.max(top, v);
      const root = Math.sqrt((o.amsgrad ? top : v) / (1 - o.b2 ** t));
      p -= (o.lr * (m / (1 - o.b1 ** t))) / (root + o.eps);
    });
    return p;
  });
}

function sgdByHand(o: {
  lr: number;
  mu: number;
  tau: number;
  nesterov?: boolean;
  wd: number;
  maximize?: boolean;
}): number[] {
  return p0.map((start, i) => {
    let p = start;
    let b = 0;
    someGrads.forEach((row, k) => {
      let d = (o.maximize ? -row[i] : row[i]) + o.wd * p;
      b = k === 0 ? d : o.mu * b + (1 - o.tau) * d;
      if (o.mu > 0) d = o.nesterov ? d + o.mu * b : b;
      p -= o.lr * d;
    });
    return p;
  });
}

describe('options beyond the golden cases', () => {
  const adams = { lr: 0.05, b1: 0.8, b2: 0.9, eps: 1e-6, wd: 0.2 };
  const options = { lr: 0.05, betas: [0.8, 0.9], eps: 1e-6, weightDecay: 0.2 } as const;
  const cases: [string, Optimizer, number[]][] = [
    ['amsgrad', adamw({ ...options, amsgrad: true }), adamByHand({ ...adams, amsgrad: true })],
    ['adam with L2', adam(options), adamByHand({ ...adams, l2: true })],
    [
      'adam amsgrad maximize',
      adam({ ...options, amsgrad: true, maximize: true }),
      adamByHand({ ...adams, l2: true, amsgrad: true, maximize: true }),
    ],
    ['beta1 = 0', adamw({ ...options, betas: [0, 0.9] }), adamByHand({ ...adams, b1: 0 })],
    [
      'dampening',
      sgd({ lr: 0.1, momentum: 0.9, dampening: 0.3, weightDecay: 0.05 }),
      sgdByHand({ lr: 0.1, mu: 0.9, tau: 0.3, wd: 0.05 }),
    ],
    [
      'plain sgd, maximize',
      sgd({ lr: 0.1, maximize: true }),
      sgdByHand({ lr: 0.1, mu: 0, tau: 0, wd: 0, maximize: true }),
    ],
    [
      'nesterov',
      sgd({ lr: 0.1, momentum: 0.7, nesterov: true }),
      sgdByHand({ lr: 0.1, mu: 0.7, tau: 0, nesterov: true, wd: 0 }),
    ],
  ];

  test.each(cases)('%s', async (_, optimizer, want) => {
    const { p } = await follow(optimizer, p0, someGrads);
    expectClose(p.at(-1)!, want, 1e-12);
  });

  test('amsgrad changes the result', () => {
    expect(adamByHand({ ...adams, amsgrad: true })).not.toEqual(adamByHand(adams));
  });

  test.each(cases)('%s: the references agree with the kernels, f32 with f64', async (_, optimizer, want) => {
    const references = createCpu({ references: true });
    const { p } = await follow(optimizer, p0, someGrads, { device: references });
    expectClose(p.at(-1)!, want, 1e-12);
    const narrow = await follow(optimizer, p0, someGrads, { dtype: 'f32' });
    expectClose(narrow.p.at(-1)!, want, 2e-6);
    const narrowReference = await follow(optimizer, p0, someGrads, { dtype: 'f32', device: references });
    expectClose(narrowReference.p.at(-1)!, want, 4e-6);
  });
});

describe('updates', () => {
  const tree = (): { a: Tensor; deep: { b: Tensor }[]; note: string; ids: Tensor } => ({
    a: tensor([1, 2]),
    deep: [{ b: tensor([[3]]) }],
    note: 'kept',
    ids: tensor(Int32Array.of(7)),
  });

  test('go through trees, pass what is no float, and leave the arguments alive', async () => {
    const opt = sgd({ lr: 0.5 });
    const params = tree();
    const state = opt.init(params);
    const [next, after] = opt.update(params, { ...tree(), ids: tensor([0]) }, state);
    expect(await next.a.toArray()).toEqual([0.5, 1]);
    expect(await next.deep[0].b.toArray()).toEqual([[1.5]]);
    expect(next.note).toBe('kept');
    expect(await next.ids.toArray()).toEqual([7]);
    expect(await params.a.toArray()).toEqual([1, 2]);
    expect([await state.step.item(), await after.step.item()]).toEqual([0, 1]);
    for (const make of [adamw, adam]) {
      const o = make({ amsgrad: true });
      const [p2] = o.update(params, { ...tree(), ids: tensor([0]) }, o.init(params));
      expect(await p2.ids.toArray()).toEqual([7]);
    }
  });

  test('enabled = false changes no bit, enabled = true changes nothing else', async () => {
    for (const opt of [adamw({ amsgrad: true }), sgd({ momentum: 0.9 }), sgd()]) {
      const params = { w: tensor([1, 2, 3]) };
      const grads = { w: tensor([NaN, 1, Infinity]) };
      let state = opt.init(params);
      [, state] = opt.update(params, { w: tensor([1, -1, 2]) }, state);
      const [same, sameState] = opt.update(params, grads, state, {
        enabled: tensor([false]).reshape([]),
        gradScale: tensor(NaN),
      });
      expect(await same.w.data()).toEqual(await params.w.data());
      expect(await sameState.step.item()).toBe(1);
      for (const slot of Object.keys(state).filter((k) => k !== 'step')) {
        expect(await (sameState[slot] as { w: Tensor }).w.data()).toEqual(
          await (state[slot] as { w: Tensor }).w.data(),
        );
      }
      const g = { w: tensor([1, 2, 3]) };
      const [on] = opt.update(params, g, state, { enabled: tensor([true]).reshape([]) });
      const [plain] = opt.update(params, g, state);
      expect(await on.w.data()).toEqual(await plain.w.data());
    }
  });

  test('lr and gradScale replace schedule and gradient size', async () => {
    const opt = sgd({ lr: 100 });
    const params = { w: tensor([1]) };
    const [p] = opt.update(params, { w: tensor([8]) }, opt.init(params), {
      lr: tensor(0.25),
      gradScale: tensor(0.5),
    });
    expect(await p.w.item()).toBe(0);
    const [q] = opt.update(params, { w: tensor([8]) }, opt.init(params), { lr: 0.125 });
    expect(await q.w.item()).toBe(0);
  });

  test('the decay mask decides per parameter', async () => {
    const opt = adamw({ lr: 0.1, weightDecay: 1, decayMask: () => ({ gain: false, matrix: true }) });
    const params = { gain: tensor([2]), matrix: tensor([[2]]) };
    const [p] = opt.update(params, { gain: tensor([0]), matrix: tensor([[0]]) }, opt.init(params));
    expect(await p.gain.item()).toBe(2);
    expect(await p.matrix.item()).toBeCloseTo(1.8, 6);
    const wrong = adamw({ decayMask: () => ({ gain: false }) });
    expect(() => wrong.update(params, params, wrong.init(params))).toThrow(
      /decayMask must give one boolean per parameter, got 1 for 2/,
    );
  });

  test('one plan serves all steps, although rate and count change', async () => {
    const device = createCpu();
    const opt = adamw({ lr: cosineAnnealing({ initial: 0.1, halfPeriod: 5 }) });
    const step = compile((p: { w: Tensor }, s: OptimizerState, g: { w: Tensor }) => opt.update(p, g, s), {
      donate: [0, 1],
    });
    let params = { w: tensor(Float64Array.from(p0), { device }) };
    let state = opt.init(params);
    let plans = 0;
    for (const [k, row] of someGrads.entries()) {
      const g = { w: tensor(Float64Array.from(row), { device }) };
      [params, state] = step(params, state, g);
      if (k === 0) plans = device.counters.plans;
      g.w.dispose();
    }
    expect(device.counters.plans).toBe(plans);
    const { p } = await follow(opt, p0, someGrads);
    expectClose(await params.w.data(), p.at(-1)!, 1e-14);
  });

  test('wrong trees and types are refused by name', () => {
    const opt = adamw();
    const params = { w: tensor([1]), v: tensor([1]) };
    const state = opt.init(params);
    expect(() => opt.update(params, { w: tensor([1]) } as never, state)).toThrow(ShapeError);
    expect(() => opt.update(params, { w: tensor([1]) } as never, state)).toThrow(
      /grads must have the tensors of params, got none at 'v'/,
    );
    expect(() => opt.update(params, { w: tensor([1, 2]), v: tensor([1]) }, state)).toThrow(
      /gradient must have the parameter's shape \[1\], got \[2\]/,
    );
    const half = { w: tensor([1], { dtype: 'f16' }) };
    expect(() => opt.update(half, half, opt.init(half))).toThrow(DTypeError);
  });

  test('wrong options are refused', () => {
    const wrong: [() => unknown, RegExp][] = [
      [() => adamw({ betas: [1, 0.9] }), /betas\[0\] must be a finite number in \[0, 1\), got 1/],
      [() => adamw({ eps: -1 }), /eps must be a finite number ≥ 0, got -1/],
      [() => adam({ lr: NaN }), /adam: lr must be a finite number/],
      [() => sgd({ momentum: -0.1 }), /momentum/],
      [() => sgd({ nesterov: true }), /nesterov needs momentum > 0/],
      [() => sgd({ nesterov: true, momentum: 0.9, dampening: 0.1 }), /dampening 0, got 0.9 and 0.1/],
    ];
    for (const [f, text] of wrong) {
      expect(f).toThrow(OptionError);
      expect(f).toThrow(text);
    }
  });

  test('a thousand updates leave the device as it was', async () => {
    const device = createCpu();
    const opt = adamw({ lr: 1e-3 });
    const g = { w: tensor([0.1, -0.2], { device }) };
    let params = { w: tensor([1, 2], { device }) };
    let state = opt.init(params);
    const step = (): void => {
      const [p, s] = opt.update(params, g, state);
      scope(() => undefined);
      params.w.dispose();
      for (const slot of ['m', 'v']) (state[slot] as { w: Tensor }).w.dispose();
      state.step.dispose();
      [params, state] = [p, s];
    };
    step();
    await params.w.realize();
    const { tensors } = device.memory();
    for (let k = 0; k < 1000; k++) step();
    await params.w.realize();
    expect(device.memory().tensors).toBe(tensors);
    expect(await state.step.item()).toBe(1001);
  });
});
