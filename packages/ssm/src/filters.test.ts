import { eye, key, mul, normal, stack, treeLeaves, vjp, zeros } from '@seq/tensor';
import type { Complex, Tensor, Tree } from '@seq/tensor';
import { expect, test } from 'vitest';
import * as ssm from './index.js';

// What S4D, S5 and LRU have in common: a kernel, and three forms that are one function.

const f64 = { dtype: 'f64' } as const;
const H = 3;

interface Filter {
  readonly system: ssm.S4dSystem | ssm.S5System | ssm.LruSystem;
  /** [H, H, L], outputs first. */
  kernel(L: number): Tensor;
  convolution(u: Tensor, system: Tree): Tensor;
  scan(u: Tensor, system: Tree): [y: Tensor, h: Complex];
  step(u: Tensor, h: Complex): [y: Tensor, h: Complex];
  /** Shape of each part of a state of two sequences. */
  readonly state: number[];
}

const rules = ['zoh', 'bilinear'] as const;

const filters: [string, Filter][] = [
  ...(['lin', 'inv', 'legs', 'real'] as const).flatMap((init) =>
    rules.map((discretization): [string, Filter] => {
      const o = { discretization };
      const { system } = ssm.s4d({ dModel: H, stateDim: 8, init }).init(key(1), f64);
      const as = (s: Tree): ssm.S4dSystem => s as ssm.S4dSystem;
      return [
        `s4d ${init}, ${discretization}`,
        {
          system,
          kernel: (L) => mul(eye(H, f64).expandDims(2), ssm.s4dKernel(system, L, o)),
          convolution: (u, s) => ssm.s4dConvolution(u, as(s), o),
          scan: (u, s) => ssm.s4dScan(u, as(s), o),
          step: (u, h) => ssm.s4dStep(u, system, h, o),
          state: [2, H, 4],
        },
      ];
    }),
  ),
  ...rules.map((discretization): [string, Filter] => {
    const o = { discretization };
    const { system } = ssm.s5({ dModel: H, stateDim: 8, blocks: 2 }).init(key(2), f64);
    const as = (s: Tree): ssm.S5System => s as ssm.S5System;
    return [
      `s5, ${discretization}`,
      {
        system,
        kernel: (L) => ssm.s5Kernel(system, L, o),
        convolution: (u, s) => ssm.s5Convolution(u, as(s), o),
        scan: (u, s) => ssm.s5Scan(u, as(s), o),
        step: (u, h) => ssm.s5Step(u, system, h, o),
        state: [2, 4],
      },
    ];
  }),
  (() => {
    const { system } = ssm.lru({ dModel: H, stateDim: 5 }).init(key(3), f64);
    const as = (s: Tree): ssm.LruSystem => s as ssm.LruSystem;
    return [
      'lru',
      {
        system,
        kernel: (L: number) => ssm.lruKernel(system, L),
        convolution: (u: Tensor, s: Tree) => ssm.lruConvolution(u, as(s)),
        scan: (u: Tensor, s: Tree) => ssm.lruScan(u, as(s)),
        step: (u: Tensor, h: Complex) => ssm.lruStep(u, system, h),
        state: [2, 5],
      },
    ];
  })(),
];

const worst = (a: Tensor, b: Tensor): Promise<number> => a.sub(b).abs().max().item();

test.each(filters)('%s: convolution, scan and steps are one function', async (_, filter) => {
  for (const T of [1, 2, 37]) {
    const u = normal(key(T), [2, T, H], f64);
    const [y, last] = filter.scan(u, filter.system);
    expect(await y.abs().max().item()).toBeGreaterThan(0.1);
    expect(await worst(filter.convolution(u, filter.system), y)).toBeLessThan(1e-12);
    let h: Complex = { re: zeros(filter.state, f64), im: zeros(filter.state, f64) };
    const steps: Tensor[] = [];
    for (let t = 0; t < T; t++) {
      const [out, next] = filter.step(u.at(t, 1), h);
      steps.push(out);
      h = next;
    }
    expect(await worst(stack(steps, 1), y)).toBeLessThan(1e-12);
    expect(await worst(h.re, last.re)).toBeLessThan(1e-12);
    expect(await worst(h.im, last.im)).toBeLessThan(1e-12);
  }
});

test.each(filters)('%s: convolution and scan have the same gradients', async (_, filter) => {
  const [u, dy] = [normal(key(4), [2, 21, H], f64), normal(key(5), [2, 21, H], f64)];
  const forms = [filter.convolution, (x: Tensor, s: Tree) => filter.scan(x, s)[0]];
  const [a, b] = forms.map((form) =>
    treeLeaves(vjp((s: Tree, x: Tensor) => form(x, s), [filter.system, u], dy)[1]),
  );
  expect(a.length).toBe(b.length);
  for (const [i, grad] of a.entries()) {
    const size = await grad.abs().max().item();
    expect(await worst(grad, b[i])).toBeLessThan(1e-11 * Math.max(1, size));
  }
});

test.each(filters)('%s: the kernel is the response to an impulse, beside D', async (_, filter) => {
  const L = 30;
  // One sequence for each input, whose first position alone is 1 there.
  const impulses = eye(H, f64)
    .expandDims(1)
    .pad(1, 0, L - 1);
  const response = filter.convolution(impulses, filter.system); // [input, L, output]
  const scanned = filter.scan(impulses, filter.system)[0];
  const beside = mul(impulses, filter.system.D);
  const kernel = filter.kernel(L);
  expect(kernel.shape).toEqual([H, H, L]);
  for (const y of [response, scanned])
    expect(await worst(y.sub(beside).transpose([2, 0, 1]), kernel)).toBeLessThan(1e-12);
});

test('kernels of no length and systems that do not fit are refused', () => {
  const { system } = ssm.s5({ dModel: 2, stateDim: 4 }).init(key(0));
  expect(() => ssm.s5Kernel(system, 0)).toThrow('s5Kernel: L must be a positive integer, got 0.');
  expect(() => ssm.s5Kernel({ ...system, logStep: zeros([3]) }, 5)).toThrow(
    's5Kernel: rates must be [P], B [P, H] and C [H, P], got [3], [2, 2], [2, 2].',
  );
  expect(() => ssm.s4dKernel(ssm.s4d({ dModel: 2 }).init(key(0)).system, 1.5)).toThrow('got 1.5');
});
