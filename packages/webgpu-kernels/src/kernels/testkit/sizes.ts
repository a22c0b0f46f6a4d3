import * as t from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import * as ops from '@seq/tensor/engine';
import type { Op } from '@seq/tensor/engine';
import type { Input } from '../../testkit.js';
import { binaryOps, unaryOps } from '../../verify/cases.js';

/** A use of an op whose operands or results have about so many elements. */
export interface Sized {
  readonly f: (...xs: Tensor[]) => Tensor | readonly Tensor[];
  readonly inputs: readonly Input[];
  /** Of values; default 2e-6. */
  readonly tolerance?: number;
  /** Of gradients; default 2e-5. */
  readonly gradient?: number;
  /** Compared with the CPU in f32, for what depends on an order or on bits. */
  readonly exact?: boolean;
}

type Use = (n: number) => Sized;

/** Errors of f32 sums grow with the root of their length. */
const ofSum = (n: number): number => 3e-7 * (8 + 2 * Math.sqrt(n));

const floats = (...shape: number[]): Input => ({ shape });
const other = (...shape: number[]): Input => ({ shape, seed: 2 });
const flags = (seed: number, ...shape: number[]): Input => ({ shape, dtype: 'bool', seed });
const below = (high: number, ...shape: number[]): Input => ({ shape, dtype: 'i32', low: 0, high, seed: 3 });
const key: Input = { shape: [2], dtype: 'u32', data: [12_345, 678] };
const place = (at: number): Input => ({ shape: [], dtype: 'i32', data: [at] });
const factors = (...shape: number[]): Input => ({ shape, low: -0.9, high: 0.9, seed: 4 });

/** A function as a plan, in which constants, chains and epilogues are kernels of their own. */
const planned =
  (f: (...xs: Tensor[]) => Tensor): Sized['f'] =>
  (...xs) => {
    const run = t.compile(f);
    const y = run(...xs);
    run.dispose();
    return y;
  };

/** Along rows of n, and along the columns of n rows. */
const bothWays =
  (f: (x: Tensor, axis: number) => Tensor, x: Partial<Input> = {}, more: Partial<Sized> = {}): Use =>
  (n) => ({
    f: (a, b) => [f(a, 1), f(b, 0)],
    inputs: [
      { ...floats(2, n), ...x },
      { ...floats(n, 3), ...x },
    ],
    tolerance: ofSum(n),
    ...more,
  });

const rows =
  (f: (x: Tensor) => Tensor | Tensor[], more: Partial<Sized> = {}): Use =>
  (n) => ({ f, inputs: [{ ...floats(2, n), high: 9 }], tolerance: ofSum(n), ...more });

const drawn =
  (f: (k: Tensor, n: number) => Tensor | readonly Tensor[], more: Partial<Sized> = {}): Use =>
  (n) => ({ f: (k) => f(k, n), inputs: [key], exact: true, tolerance: 0, ...more });

const convolution: Use = (n) => ({
  f: (x, w, y, v) => [t.conv1d(x, w), t.conv1d(y, v, { groups: 3 })],
  inputs: [floats(1, n, 4), other(3, 4, 4), floats(1, n, 3), other(2, 1, 3)],
  tolerance: 5e-6,
  gradient: 4 * ofSum(n),
});

const crossEntropy: Use = (n) => ({
  f: (a, ya, b, yb) => [t.crossEntropy(a, ya), t.crossEntropy(b, yb, { reduction: 'none' })],
  inputs: [floats(n, 5), below(5, n), floats(2, n), below(n, 2)],
  tolerance: 4e-6,
});

const along: Use = (n) => ({
  f: (x, i) => t.takeAlong(x, i),
  inputs: [floats(2, n), below(n, 2, n)],
  tolerance: 0,
  gradient: ofSum(n),
});

const made: readonly (readonly [Op, Use])[] = [
  [ops.andOp, (n) => ({ f: (a, b) => t.and(a, b), inputs: [flags(1, n), flags(2, n)] })],
  [ops.orOp, (n) => ({ f: (a, b) => t.or(a, b), inputs: [flags(1, n), flags(2, n)] })],
  [ops.notOp, (n) => ({ f: (a) => t.not(a), inputs: [flags(1, n)] })],
  [ops.whereOp, (n) => ({ f: (c, x, y) => t.where(c, x, y), inputs: [flags(1, n), floats(n), other(n)] })],
  [
    ops.castOp,
    (n) => ({
      f: (x, i) => [x.cast('i32'), x.cast('bool'), i.cast('f32'), i.cast('u32')],
      inputs: [floats(n), below(99, n)],
      exact: true,
    }),
  ],
  [
    ops.fusedOp,
    (n) => ({ f: planned((x, y) => x.mul(0.5).sigmoid().mul(y).add(1)), inputs: [floats(n), other(n)] }),
  ],
  [ops.fillOp, (n) => ({ f: (x) => t.full([n], 1.25, { device: x.device }), inputs: [floats(1)] })],
  [ops.arangeOp, (n) => ({ f: (x) => t.arange(3, 3 + n, 1, { device: x.device }), inputs: [floats(1)] })],
  [
    ops.constantOp,
    (n) => ({
      f: planned((x) =>
        x.add(
          t.tensor(
            Array.from({ length: n }, (_, i) => i % 7),
            { device: x.device },
          ),
        ),
      ),
      inputs: [floats(n)],
      exact: true,
    }),
  ],
  [ops.copyOp, (n) => ({ f: (x) => t.contiguous(x.transpose()), inputs: [floats(n, 3)], tolerance: 0 })],
  [ops.reshapeOp, (n) => ({ f: (x) => x.transpose().reshape([3 * n]), inputs: [floats(n, 3)] })],
  [ops.unsliceOp, (n) => ({ f: (x) => x.slice(0, 0, 2 * n, 2), inputs: [floats(2 * n)] })],
  [ops.concatOp, (n) => ({ f: (x, y) => t.concat([x, y], 1), inputs: [floats(2, n), other(2, 3)] })],
  [ops.padOp, (n) => ({ f: (x) => x.pad(1, 2, 1, -1), inputs: [floats(2, n)] })],
  [ops.triangleOp, (n) => ({ f: (x) => [x.tril(1), x.triu(1)], inputs: [floats(n, 3)] })],
  [
    ops.gatherOp,
    (n) => ({ f: (x, i) => t.gather(x, i), inputs: [floats(n, 3), below(n, n)], gradient: ofSum(n) }),
  ],
  [
    ops.scatterAddOp,
    (n) => ({
      f: (x, i, y) => t.scatterAdd(x, i, y),
      inputs: [floats(n, 3), below(n, n), other(n, 3)],
      exact: true,
      tolerance: ofSum(n),
    }),
  ],
  [ops.takeAlongOp, along],
  [ops.addAlongOp, along],
  [ops.oneHotOp, (n) => ({ f: (i) => t.oneHot(i, 7), inputs: [below(7, n)] })],
  [ops.sliceAtOp, (n) => ({ f: (x, at) => t.sliceAt(x, at, n), inputs: [floats(n + 5, 2), place(3)] })],
  [
    ops.updateAtOp,
    (n) => ({ f: (x, y, at) => t.updateAt(x, y, at), inputs: [floats(n + 5, 2), other(n, 2), place(3)] }),
  ],
  [
    ops.topKOp,
    rows((x) => [...t.topK(x, Math.min(5, x.shape[1])), t.argsort(x)], { exact: true, tolerance: 0 }),
  ],
  [ops.splitKeyOp, drawn((k, n) => t.split(k, n))],
  [ops.foldInOp, drawn((k, n) => t.foldIn(k, n))],
  [ops.uniformOp, drawn((k, n) => t.uniform(k, [n]))],
  [ops.normalOp, drawn((k, n) => t.normal(k, [n]), { tolerance: 2e-6 })],
  [ops.truncatedNormalOp, drawn((k, n) => t.truncatedNormal(k, [n]), { tolerance: 2e-6 })],
  [ops.gumbelOp, (n) => ({ f: (k, x) => t.categorical(k, x), inputs: [key, floats(n, 5)], exact: true })],
  [ops.randomIntOp, drawn((k, n) => t.randomInt(k, [n], { low: -3, high: 1000 }))],
  [ops.permutationOp, drawn((k, n) => t.permutation(k, n))],
  [
    ops.matmulOp,
    (n) => ({
      f: (a, b, c, d, e) => [t.matmul(a, b), t.matmul(c, d), t.matmul(d.transpose(), d), t.matmul(e, d)],
      // Of one sign: the error of a sum is measured by the sum of the magnitudes.
      inputs: [floats(n, 7), other(7, 5), floats(5, n), other(n, 3), floats(1, n)].map((x) => ({
        ...x,
        low: 0,
      })),
      tolerance: ofSum(n),
      gradient: 4 * ofSum(n),
    }),
  ],
  [
    ops.finishedOp,
    (n) => ({
      f: planned((x, w, b) => t.matmul(x, w).mul(0.1).add(b).tanh()),
      inputs: [floats(n, 9), other(9, 5), floats(5)],
      tolerance: 5e-6,
    }),
  ],
  [ops.conv1dOp, convolution],
  [ops.conv1dInputGradOp, convolution],
  [ops.conv1dWeightGradOp, convolution],
  [ops.sumOp, bothWays((x, axis) => x.sum(axis), { low: 0 })],
  [ops.maxOp, bothWays((x, axis) => x.max(axis))],
  [ops.minOp, bothWays((x, axis) => x.min(axis))],
  [ops.prodOp, bothWays((x, axis) => x.prod(axis), { low: 0.95, high: 1.05 }, { gradient: 5e-5 })],
  [ops.argMaxOp, bothWays((x, axis) => t.argMax(x, axis))],
  [ops.argMinOp, bothWays((x, axis) => t.argMin(x, axis))],
  [ops.softmaxOp, rows((x) => x.softmax())],
  [ops.softmaxGradOp, rows((x) => x.softmax())],
  [ops.logSoftmaxOp, rows((x) => x.logSoftmax())],
  [ops.logSumExpOp, rows((x) => x.logSumExp())],
  [ops.crossEntropyOp, crossEntropy],
  [ops.crossEntropyGradOp, crossEntropy],
  [ops.cumsumOp, bothWays((x, axis) => x.cumsum(axis), { low: 0, high: 1 }, { gradient: ofSum(5003) })],
  [
    ops.linearRecurrenceOp,
    (n) => ({
      f: (a, x, b, y) => [t.linearRecurrence(a, x, { axis: 1 }), t.linearRecurrence(b, y, { axis: 0 })],
      inputs: [factors(2, n), floats(2, n), factors(n, 9), floats(n, 9)],
      tolerance: 4e-6,
      gradient: 5e-5,
    }),
  ],
  [
    ops.complexRecurrenceOp,
    (n) => ({
      f: (ar, ai, xr, xi) => Object.values(t.complexRecurrence({ re: ar, im: ai }, { re: xr, im: xi })),
      inputs: [
        { ...factors(2, n, 2), low: -0.6, high: 0.6 },
        { ...factors(2, n, 2), low: -0.6, high: 0.6, seed: 5 },
        floats(2, n, 2),
        other(2, n, 2),
      ],
      tolerance: 4e-6,
      gradient: 5e-5,
    }),
  ],
  [
    ops.fftOp,
    // Lengths other than products of 2, 3 and 5 are longer convolutions.
    (n) => ({
      f: (re, im) => Object.values(t.fft({ re, im })).map((y) => y.mul(1 / Math.sqrt(n))),
      inputs: [floats(2, n), other(2, n)],
      tolerance: 5e-6,
    }),
  ],
];

/** How each op is used at n elements. */
export const uses: ReadonlyMap<Op, Use> = new Map<Op, Use>([
  ...unaryOps.map(([op, f, bounds]): [Op, Use] => [
    op,
    (n) => ({ f: (x) => f(x), inputs: [{ ...floats(n), ...bounds }], tolerance: 5e-6 }),
  ]),
  ...binaryOps.map(([op, f, bounds]): [Op, Use] => [
    op,
    (n) => ({
      f: (a, b) => f(a, b),
      inputs: [floats(n), other(n)].map((x) => ({ ...x, ...bounds })),
      tolerance: 5e-6,
    }),
  ]),
  ...made,
]);

/** Uses side by side, so that everything compiles and runs at once. */
export function together(list: readonly Sized[]): Sized {
  const most = (f: (s: Sized) => number): number => Math.max(...list.map(f));
  return {
    inputs: list.flatMap((s) => s.inputs),
    f(...xs) {
      let at = 0;
      return list.flatMap(({ f, inputs }) => f(...xs.slice(at, (at += inputs.length))));
    },
    tolerance: most((s) => s.tolerance ?? 2e-6),
    gradient: most((s) => s.gradient ?? 2e-5),
    exact: list.some((s) => s.exact),
  };
}
