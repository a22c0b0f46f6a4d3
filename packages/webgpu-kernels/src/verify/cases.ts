import type { Operand, Tensor } from '@seq/tensor';
import * as t from '@seq/tensor';
import type { GpuArguments, GpuCase, Op } from '@seq/tensor/engine';
import * as ops from '@seq/tensor/engine';

/** A case that may say whose kernels it judges. */
export interface VerifyCase extends GpuCase {
  /** Absent: all kernels that it uses, but those of `@seq/tensor`'s ops, which have cases of their own. */
  readonly op?: Op;
}

/** A case of one op of `@seq/tensor`. */
interface OpCase extends VerifyCase {
  readonly op: Op;
}

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Operand, b: Operand) => Tensor;

interface Bounds {
  readonly low?: number;
  readonly high?: number;
}

const positive = { low: 0.01, high: 9 };

/** Functions of one tensor, element by element, and where they are looked at. */
export const unaryOps: readonly (readonly [op: Op<null>, f: Unary, bounds?: Bounds])[] = [
  [ops.negOp, t.neg],
  [ops.absOp, t.abs],
  [ops.signOp, t.sign],
  [ops.floorOp, t.floor],
  [ops.ceilOp, t.ceil],
  [ops.roundOp, t.round],
  [ops.squareOp, t.square],
  [ops.reciprocalOp, t.reciprocal, positive],
  [ops.sqrtOp, t.sqrt, positive],
  [ops.rsqrtOp, t.rsqrt, positive],
  [ops.expOp, t.exp],
  [ops.expm1Op, t.expm1],
  [ops.logOp, t.log, positive],
  [ops.log1pOp, t.log1p, positive],
  [ops.sinOp, t.sin, { low: -100, high: 100 }],
  [ops.cosOp, t.cos, { low: -100, high: 100 }],
  [ops.tanOp, t.tan, { low: -1.2, high: 1.2 }],
  [ops.tanhOp, t.tanh, { low: -100, high: 100 }],
  [ops.erfOp, t.erf],
  [ops.erfinvOp, t.erfinv, { low: -0.95, high: 0.95 }],
  [ops.isNaNOp, t.isNaN],
  [ops.isFiniteOp, t.isFinite],
  [ops.sigmoidOp, t.sigmoid, { low: -90, high: 90 }],
  [ops.reluOp, t.relu],
  [ops.softplusOp, t.softplus, { low: -30, high: 30 }],
  [ops.logSigmoidOp, t.logSigmoid, { low: -30, high: 30 }],
  [ops.siluOp, t.silu],
  [ops.geluOp, t.gelu],
  [ops.geluTanhOp, t.geluTanh],
  [ops.eluOp, t.elu],
  [ops.mishOp, t.mish],
];

/** The same of two. */
export const binaryOps: readonly (readonly [op: Op<null>, f: Binary, bounds?: Bounds])[] = [
  [ops.addOp, t.add],
  [ops.subOp, t.sub],
  [ops.mulOp, t.mul],
  [ops.divOp, t.div, { low: 0.5, high: 2 }],
  [ops.powOp, t.pow, { low: 0.1, high: 3 }],
  [ops.modOp, t.mod, { low: 0.5, high: 9 }],
  [ops.maximumOp, t.maximum],
  [ops.minimumOp, t.minimum],
  [ops.eqOp, t.eq],
  [ops.neOp, t.ne],
  [ops.ltOp, t.lt],
  [ops.leOp, t.le],
  [ops.gtOp, t.gt],
  [ops.geOp, t.ge],
];

/** Whole rows of four, an odd size, and a transposed view. */
function unary(op: Op<null>, f: Unary, bounds: Bounds = {}): OpCase[] {
  return [
    { op, run: (s) => f(s.floats([64, 48], bounds)) },
    { op, run: (s) => f(s.floats([37], bounds)) },
    { op, run: (s) => f(s.floats([13, 9], bounds).transpose()) },
  ];
}

function binary(op: Op<null>, f: Binary, bounds: Bounds = {}): OpCase[] {
  return [
    { op, run: (s) => f(s.floats([64, 48], bounds), s.floats([64, 48], bounds)) },
    { op, run: (s) => f(s.floats([5, 7, 9], bounds), s.floats([7, 1], bounds)) },
    { op, run: (s) => f(s.floats([13, 9], bounds).transpose(), 1.5) },
  ];
}

function elementwise(): OpCase[] {
  return [
    ...unaryOps.flatMap(([op, f, bounds]) => unary(op, f, bounds)),
    ...binaryOps.flatMap(([op, f, bounds]) => binary(op, f, bounds)),
    ...[
      [64, 48],
      [13, 9],
    ].flatMap((shape): OpCase[] => [
      { op: ops.andOp, run: (s) => t.and(s.flags(shape), s.flags(shape)) },
      { op: ops.orOp, run: (s) => t.or(s.flags(shape), s.flags(shape)) },
      { op: ops.notOp, run: (s) => t.not(s.flags(shape)) },
      { op: ops.whereOp, run: (s) => t.where(s.flags(shape), s.floats(shape), s.floats([1, shape[1]])) },
      { op: ops.castOp, run: (s) => t.cast(s.floats(shape, { low: -9, high: 9 }), 'i32') },
      { op: ops.castOp, run: (s) => t.cast(s.integers(shape, { low: -9, high: 9 }), 'f32') },
      { op: ops.castOp, run: (s) => t.cast(s.integers(shape, { high: 2 }), 'bool') },
    ]),
    { op: ops.whereOp, run: (s) => t.where(s.flags([9, 13]).transpose(), s.floats([13, 9]), 0) },
    { op: ops.castOp, run: (s) => t.cast(s.floats([13, 9]).transpose(), 'bool') },
    { op: ops.fillOp, run: (s) => t.full([33], 1.25, { device: s.floats([1]).device }) },
    { op: ops.fillOp, run: (s) => t.full([32, 8], 2, { device: s.floats([1]).device, dtype: 'i32' }) },
    { op: ops.arangeOp, run: (s) => t.arange(3, 200, 1, { device: s.floats([1]).device, dtype: 'i32' }) },
    {
      op: ops.constantOp,
      run: (s) => planned((x) => x.add(t.tensor([1, 2, 3], { device: x.device })), s.floats([3])),
    },
    ...[
      [64, 48],
      [13, 9],
    ].map((shape): OpCase => ({
      op: ops.fusedOp,
      run: (s) => planned((x) => x.mul(0.5).sigmoid().mul(x).add(1), s.floats(shape)),
    })),
    ...[
      [40, 24, 36],
      [37, 21, 13],
      [3, 600, 40],
    ].map(([M, K, N]): OpCase => ({
      op: ops.finishedOp,
      tolerance: 1e-4,
      run: (s) => {
        const [w, b] = [s.floats([N, K]), s.floats([N])];
        return planned((x) => t.matmul(x, w.transpose()).mul(0.1).add(b).tanh(), s.floats([M, K]));
      },
    })),
  ];
}

/** A function as a plan, in which constants and chains are kernels of their own. */
function planned(f: Unary, x: Tensor): Tensor {
  const run = t.compile(f);
  const y = run(x);
  run.dispose();
  return y;
}

function shapes(): OpCase[] {
  return [
    { op: ops.copyOp, run: (s) => t.contiguous(s.floats([65, 130]).transpose()) },
    { op: ops.copyOp, run: (s) => t.contiguous(s.floats([3, 5, 7, 2]).transpose([2, 0, 3, 1])) },
    { op: ops.copyOp, run: (s) => t.contiguous(s.floats([64, 64]).slice(1, 3, 40)) },
    { op: ops.reshapeOp, run: (s) => t.reshape(s.floats([12, 10]).transpose(), [40, 3]) },
    { op: ops.reshapeOp, run: (s) => t.reshape(s.floats([70, 130]).transpose(), [9100]) },
    {
      op: ops.unsliceOp,
      run: (s) => t.grad((x: Tensor) => x.slice(1, 2, 7).square().sum(), s.floats([5, 9])),
    },
    { op: ops.concatOp, run: (s) => t.concat([s.floats([3, 4]), s.floats([3, 1]), s.floats([3, 8])], 1) },
    { op: ops.concatOp, run: (s) => t.concat([s.floats([2, 64]), s.floats([1, 64])], 0) },
    { op: ops.padOp, run: (s) => t.pad(s.floats([5, 6]), 1, 2, 3, -1) },
    { op: ops.triangleOp, run: (s) => s.floats([2, 9, 7]).tril(1) },
  ];
}

function indexing(): OpCase[] {
  const rows = (s: GpuArguments): Tensor => s.integers([29], { high: 17 });
  return [
    { op: ops.gatherOp, run: (s) => t.gather(s.floats([17, 32]), rows(s)) },
    { op: ops.gatherOp, run: (s) => t.gather(s.floats([3, 17, 5]), rows(s), 1) },
    { op: ops.scatterAddOp, run: (s) => t.scatterAdd(s.floats([17, 8]), rows(s), s.floats([29, 8])) },
    {
      op: ops.scatterAddOp,
      run: (s) => t.scatterAdd(s.floats([500, 4]), s.integers([700], { high: 500 }), s.floats([700, 4])),
    },
    { op: ops.takeAlongOp, run: (s) => t.takeAlong(s.floats([9, 17]), s.integers([9, 4], { high: 17 })) },
    {
      op: ops.addAlongOp,
      run(s) {
        const indices = s.integers([9, 4], { high: 17 });
        return t.grad((x: Tensor) => t.takeAlong(x, indices).square().sum(), s.floats([9, 17]));
      },
    },
    { op: ops.oneHotOp, run: (s) => t.oneHot(s.integers([11], { high: 7 }), 7) },
    { op: ops.sliceAtOp, run: (s) => t.sliceAt(s.floats([4, 20, 3]), s.integers([4], { high: 15 }), 5, 1) },
    {
      op: ops.updateAtOp,
      run: (s) => t.updateAt(s.floats([30, 3]), s.floats([4, 3]), s.given([7], 'i32').reshape([])),
    },
    { op: ops.topKOp, run: (s) => t.topK(s.floats([3, 50]), 5) },
    { op: ops.topKOp, run: (s) => t.topK(s.floats([2, 3000]), 3000) },
  ];
}

function randomness(): OpCase[] {
  const key = (s: GpuArguments): Tensor => s.given([12345, 678], 'u32');
  return [
    { op: ops.splitKeyOp, run: (s) => t.split(key(s), 3) },
    { op: ops.foldInOp, run: (s) => t.foldIn(key(s), 7) },
    { op: ops.uniformOp, run: (s) => t.uniform(key(s), [37]), tolerance: 0 },
    { op: ops.normalOp, run: (s) => t.normal(key(s), [301]) },
    { op: ops.truncatedNormalOp, run: (s) => t.truncatedNormal(key(s), [301]), tolerance: 5e-5 },
    { op: ops.gumbelOp, run: (s) => t.categorical(key(s), s.floats([50, 9])) },
    { op: ops.randomIntOp, run: (s) => t.randomInt(key(s), [100], { low: -3, high: 1000 }) },
    { op: ops.permutationOp, run: (s) => t.permutation(key(s), 300) },
  ];
}

function products(): OpCase[] {
  const mm = (
    a: readonly number[],
    b: readonly number[],
    f: (a: Tensor, b: Tensor) => Tensor = t.matmul,
  ): OpCase => ({
    op: ops.matmulOp,
    run: (s) => f(s.floats(a), s.floats(b)),
    tolerance: 5e-5,
  });
  return [
    mm([128, 64], [64, 128]),
    mm([65, 67], [67, 33]),
    mm([64, 128], [128, 64]),
    mm([64, 96], [64, 96], (a, b) => t.matmul(a, b.transpose())),
    mm([96, 64], [96, 64], (a, b) => t.matmul(a.transpose(), b)),
    mm([31, 45], [29, 31], (a, b) => t.matmul(a.transpose(), b.transpose())),
    mm([3, 5, 40, 24], [5, 24, 40]),
    mm([1, 300], [300, 200]),
    mm([200, 300], [300, 1]),
    mm([4, 256], [256, 64]),
    mm([8, 4096], [4096, 8]),
    mm([6, 20, 8], [6, 8, 20], (a, b) => t.matmul(a.transpose([1, 0, 2]), b.slice(0, 0, 1))),
    ...[
      [1, 16],
      [4, 16],
      [8, 16],
      [8, 8],
    ].flatMap(([groups, out]): OpCase[] => {
      const run = (s: GpuArguments): [Tensor, Tensor] => [
        s.floats([2, 33, 8]),
        s.floats([4, 8 / groups, out]),
      ];
      const f = (x: Tensor, w: Tensor): Tensor => t.conv1d(x, w, { groups });
      const gradient =
        (which: 0 | 1) =>
        (s: GpuArguments): Tensor => {
          const [x, w] = run(s);
          return which === 0
            ? t.grad((y: Tensor) => f(y, w).square().sum(), x)
            : t.grad((v: Tensor) => f(x, v).square().sum(), w);
        };
      return [
        { op: ops.conv1dOp as Op, run: (s) => f(...run(s)), tolerance: 5e-5 },
        { op: ops.conv1dInputGradOp as Op, run: gradient(0), tolerance: 2e-4 },
        { op: ops.conv1dWeightGradOp as Op, run: gradient(1), tolerance: 2e-4 },
      ];
    }),
  ];
}

function reductions(): OpCase[] {
  const both = (op: Op, f: (x: Tensor, axes?: number | readonly number[]) => Tensor): OpCase[] => [
    { op, run: (s) => f(s.floats([7, 300]), -1) },
    { op, run: (s) => f(s.floats([300, 64]), 0) },
    { op, run: (s) => f(s.floats([5, 6, 7, 8]), [1, 3]) },
    { op, run: (s) => f(s.floats([3, 4]), -1) },
    { op, run: (s) => f(s.floats([1, 100_000]), -1), tolerance: 1e-4 },
  ];
  const rows = (op: Op, f: (x: Tensor) => Tensor): OpCase[] => [
    { op, run: (s) => f(s.floats([9, 5])) },
    { op, run: (s) => f(s.floats([16, 1024])) },
    { op, run: (s) => f(s.floats([3, 777])) },
    { op, run: (s) => f(s.floats([1, 70_000])), tolerance: 1e-4 },
  ];
  const targets = (s: GpuArguments, V = 65): [Tensor, Tensor] => [
    s.floats([21, V]),
    s.integers([21], { high: V }),
  ];
  return [
    ...both(ops.sumOp, t.sum),
    ...both(ops.maxOp, t.max),
    ...both(ops.minOp, t.min),
    ...both(ops.prodOp, (x, axes) => t.prod(x.mul(0.01).add(1), axes)).map((c) => ({
      ...c,
      tolerance: 1e-3,
    })),
    ...rows(ops.argMaxOp, (x) => t.argMax(x)),
    ...rows(ops.argMinOp, (x) => t.argMin(x)),
    ...rows(ops.softmaxOp, (x) => t.softmax(x)),
    ...rows(ops.logSoftmaxOp, (x) => t.logSoftmax(x)),
    ...rows(ops.logSumExpOp, (x) => t.logSumExp(x)),
    ...rows(ops.softmaxGradOp, (x) => t.grad((y: Tensor) => t.softmax(y).square().sum(), x)),
    { op: ops.crossEntropyOp, run: (s) => t.crossEntropy(...targets(s)) },
    { op: ops.crossEntropyOp, run: (s) => t.crossEntropy(...targets(s, 64)) },
    {
      op: ops.crossEntropyOp,
      run: (s) => t.crossEntropy(...targets(s), { labelSmoothing: 0.1, reduction: 'none' }),
    },
    ...[64, 65].map((V): OpCase => ({
      op: ops.crossEntropyGradOp,
      run(s) {
        const [logits, y] = targets(s, V);
        return t.grad((x: Tensor) => t.crossEntropy(x, y), logits);
      },
    })),
  ];
}

function scans(): OpCase[] {
  const factors = { low: 0.5, high: 0.99 };
  const tolerance = 1e-4;
  return [
    ...[
      [3, 33],
      [2, 5000],
      [4, 300, 8],
    ].flatMap((shape): OpCase[] => [
      { op: ops.cumsumOp, run: (s) => t.cumsum(s.floats(shape), 1), tolerance },
      {
        op: ops.linearRecurrenceOp,
        run: (s) => t.linearRecurrence(s.floats(shape, factors), s.floats(shape), { axis: 1 }),
        tolerance,
      },
    ]),
    {
      op: ops.cumsumOp,
      run: (s) => t.cumsum(s.floats([4, 1000, 4]), 1, { reverse: true, exclusive: true }),
      tolerance,
    },
    {
      op: ops.linearRecurrenceOp,
      run: (s) =>
        t.linearRecurrence(s.floats([2, 300, 6], factors), s.floats([2, 300, 6]), {
          axis: 1,
          initial: s.floats([2, 6]),
        }),
      tolerance,
    },
  ];
}

function transforms(): OpCase[] {
  const both = (x: t.Complex): Tensor[] => [x.re, x.im];
  const pair = (s: GpuArguments, shape: number[]): t.Complex => ({
    re: s.floats(shape),
    im: s.floats(shape),
  });
  const recurrence = [
    [2, 7, 5],
    [1, 300, 3],
  ].map((shape) => ({
    op: ops.complexRecurrenceOp,
    run: (s: GpuArguments) => {
      const a = {
        re: s.floats(shape, { low: -0.6, high: 0.6 }),
        im: s.floats(shape, { low: -0.6, high: 0.6 }),
      };
      return both(t.complexRecurrence(a, pair(s, shape)));
    },
    tolerance: 1e-4,
  }));
  const fourier = [[1], [3, 16], [2, 60], [5, 256], [1, 4096]].flatMap((shape) => [
    { op: ops.fftOp, run: (s: GpuArguments) => both(t.fft(pair(s, shape))), tolerance: 1e-4 },
    { op: ops.fftOp, run: (s: GpuArguments) => both(t.ifft(pair(s, shape))) },
  ]);
  return [...recurrence, ...fourier];
}

/** The cases of the ops of `@seq/tensor`. */
export function tensorCases(): OpCase[] {
  return [
    ...elementwise(),
    ...shapes(),
    ...indexing(),
    ...randomness(),
    ...products(),
    ...reductions(),
    ...scans(),
    ...transforms(),
  ];
}
