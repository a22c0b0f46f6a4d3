import * as s from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { random, same, sameGrad } from '../../testkit.js';
import type { Input, SameOptions } from '../../testkit.js';

/** Numbers in [0, 1) from a seed. */
type Next = () => number;

/** A function drawn together with the shapes it is applied to. */
export interface Drawn {
  readonly f: (...xs: Tensor[]) => Tensor | readonly Tensor[];
  readonly inputs: readonly Input[];
  readonly options?: SameOptions;
  /** Tolerance of the gradient; absent where there is none to compare. */
  readonly gradient?: number;
}

const pick = <T>(next: Next, list: readonly T[]): T => list[Math.floor(next() * list.length)];
const whole = (next: Next, low: number, high: number): number => low + Math.floor(next() * (high - low + 1));

/** Sizes at which kernels change their ways: around vectors, workgroups and tiles, primes, now and then a long one. */
const awkward = [1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 32, 33, 61, 63, 64, 65, 127, 128, 129];
const size = (next: Next, most: number): number =>
  pick(
    next,
    awkward.filter((n) => n <= most),
  );
const shapeOf = (next: Next, rank: number, most: number): number[] =>
  Array.from({ length: rank }, () => size(next, most));

/** The shape, or one that broadcasts to it: axes of 1, leading axes left out. */
function broadcastable(next: Next, shape: readonly number[]): number[] {
  const thin = shape.map((d) => (next() < 0.3 ? 1 : d));
  return next() < 0.3 ? thin.slice(whole(next, 0, thin.length)) : thin;
}

/** An input whose view by `view` has the shape: transposed, a window of a larger tensor, every second row, backwards. */
function viewed(next: Next, shape: readonly number[]): { input: Input; view: (x: Tensor) => Tensor } {
  const seed = whole(next, 1, 1e6);
  const axis = whole(next, 0, shape.length - 1);
  const grown = (by: (d: number) => number): number[] => shape.map((d, i) => (i === axis ? by(d) : d));
  const kind = shape.length === 0 ? 0 : whole(next, 0, 4);
  switch (kind) {
    case 1: {
      const order = [...shape.keys()].toSorted(() => next() - 0.5);
      const back = order.map((_, i) => order.indexOf(i));
      return { input: { shape: order.map((i) => shape[i]), seed }, view: (x) => x.transpose(back) };
    }
    case 2:
      return { input: { shape: grown((d) => d + 5), seed }, view: (x) => x.slice(axis, 3, shape[axis] + 3) };
    case 3:
      return {
        input: { shape: grown((d) => 2 * d), seed },
        view: (x) => x.slice(axis, 0, 2 * shape[axis], 2),
      };
    case 4:
      return { input: { shape, seed }, view: (x) => x.flip(axis) };
    default:
      return { input: { shape, seed }, view: (x) => x };
  }
}

/** f over views of its inputs. */
function over(views: readonly ReturnType<typeof viewed>[], f: Drawn['f']): Pick<Drawn, 'f' | 'inputs'> {
  return {
    inputs: views.map((v) => v.input),
    f: (...xs) => f(...xs.map((x, i) => views[i]?.view(x) ?? x)),
  };
}

/** f as a plan, in which chains and epilogues become kernels of their own. */
const planned =
  (f: Drawn['f']): Drawn['f'] =>
  (...xs) => {
    const run = s.compile((...ys: Tensor[]) => [f(...ys)].flat());
    const results = run(...xs);
    run.dispose();
    return results;
  };

const sumTolerance = (n: number): number => 3e-7 * (8 + 2 * Math.sqrt(n));

function product(next: Next): Drawn {
  const [M, N, K] = [size(next, 129), size(next, 129), size(next, 129)];
  const batch = shapeOf(next, whole(next, 0, 2), 4);
  const [ta, tb] = [next() < 0.5, next() < 0.5];
  const side = (rows: number, columns: number, turned: boolean): number[] => [
    ...broadcastable(next, batch),
    ...(turned ? [columns, rows] : [rows, columns]),
  ];
  const turn = (x: Tensor): Tensor => {
    const axes = [...x.shape.keys()];
    return x.transpose([...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
  };
  const views = [viewed(next, side(M, K, ta)), viewed(next, side(K, N, tb))];
  const matmul = (a: Tensor, b: Tensor): Tensor => s.matmul(ta ? turn(a) : a, tb ? turn(b) : b);
  const tolerance = sumTolerance(K);
  const gradient = 4 * sumTolerance(Math.max(M, N) * 4);
  if (next() < 0.5) return { ...over(views, (a, b) => matmul(a, b)), options: { tolerance }, gradient };
  // An epilogue: something beside the product, broadcast, and a function or two.
  const beside = viewed(next, pick(next, [[N], [M, 1], [M, N], [1]]));
  const last = pick(next, [s.tanh, s.sigmoid, s.relu, s.silu]);
  const dense = over([...views, beside], (a, b, c) => last(matmul(a, b).mul(0.1).add(c)));
  return { ...dense, f: planned(dense.f), options: { tolerance: 4 * tolerance } };
}

function chain(next: Next): Drawn {
  const shape = shapeOf(next, whole(next, 0, 4), 33);
  const views = [shape, broadcastable(next, shape), broadcastable(next, shape)].map((d) => viewed(next, d));
  const one = [s.neg, s.abs, s.tanh, s.sigmoid, s.silu, s.square, s.softplus];
  const two = [s.add, s.sub, s.mul, s.maximum, s.minimum];
  const [f, g, h, k] = [pick(next, two), pick(next, one), pick(next, two), pick(next, one)];
  const drawn = over(views, (a, b, c) => k(h(g(f(a, b)), c)));
  if (next() < 0.5) return { ...drawn, options: { tolerance: 5e-6 }, gradient: 5e-5 };
  return { ...drawn, f: planned(drawn.f), options: { tolerance: 5e-6 } };
}

function indexing(next: Next): Drawn {
  const shape = shapeOf(next, whole(next, 1, 3), 33);
  const axis = whole(next, 0, shape.length - 1);
  const n = size(next, 65);
  const indices = (high: number, dims: readonly number[]): Input => ({
    ...{ shape: dims, dtype: 'i32', low: 0, high },
    seed: whole(next, 1, 1e6),
  });
  const x = viewed(next, shape);
  const along = shape.map((d, i) => (i === axis ? n : d));
  const exact = { tolerance: 0, exact: true };
  switch (whole(next, 0, 4)) {
    case 0: {
      const { f, inputs } = over([x], (t, i) => s.gather(t, i, axis));
      return { f, inputs: [...inputs, indices(shape[axis], [n])], options: exact, gradient: 1e-5 };
    }
    case 1: {
      const { f, inputs } = over([x, viewed(next, [n, ...shape.slice(1)])], (t, u, i) =>
        s.scatterAdd(t, i, u),
      );
      return { f, inputs: [...inputs, indices(shape[0], [n])], options: { tolerance: 1e-5 }, gradient: 1e-5 };
    }
    case 2: {
      const [from, step] = [whole(next, 0, shape[axis] - 1), whole(next, 1, 3)];
      const f = over([x], (t) => s.contiguous(t.slice(axis, from, shape[axis], step)));
      return { ...f, options: exact, gradient: 1e-5 };
    }
    case 3: {
      const parts = [
        x,
        ...Array.from({ length: whole(next, 0, 3) }, () =>
          viewed(
            next,
            shape.map((d, i) => (i === axis ? size(next, 33) : d)),
          ),
        ),
      ];
      return { ...over(parts, (...all) => s.concat(all, axis)), options: exact, gradient: 1e-5 };
    }
    default: {
      const { f, inputs } = over([x], (t, i) => s.takeAlong(t, i, axis));
      return { f, inputs: [...inputs, indices(shape[axis], along)], options: exact, gradient: 1e-5 };
    }
  }
}

function convolution(next: Next): Drawn {
  const groups = pick(next, [1, 1, 2, 4]);
  const [inner, outer] = next() < 0.3 ? [1, 1] : [size(next, 8), size(next, 8)];
  const W = whole(next, 1, 5);
  const options = {
    ...{ groups, stride: whole(next, 1, 3), dilation: whole(next, 1, 3) },
    padding: pick(next, ['causal', 'same', [2, 1], [13, 13]] as const),
  };
  const T = Math.max(size(next, 129), options.dilation * (W - 1) + 1);
  const views = [
    viewed(next, [whole(next, 1, 3), T, groups * inner]),
    viewed(next, [W, inner, groups * outer]),
  ];
  const terms = W * inner;
  return {
    ...over(views, (x, w) => s.conv1d(x, w, options)),
    options: { tolerance: sumTolerance(terms) },
    gradient: 4 * sumTolerance(Math.max(terms, 3 * T)),
  };
}

function rows(next: Next): Drawn {
  const shape = [
    ...shapeOf(next, whole(next, 0, 2), 33),
    next() < 0.15 ? whole(next, 130, 5000) : size(next, 129),
  ];
  const n = shape[shape.length - 1];
  const x = viewed(next, shape);
  const kind = whole(next, 0, 4);
  if (kind === 4) {
    const { f, inputs } = over([x], (t, y) =>
      s.crossEntropy(t, y, { labelSmoothing: 0.1, reduction: 'none' }),
    );
    const targets: Input = { shape: shape.slice(0, -1), dtype: 'i32', low: 0, high: n, seed: 4 };
    return { f, inputs: [...inputs, targets], options: { tolerance: 4e-6 }, gradient: 2e-5 };
  }
  const f = [s.softmax, s.logSoftmax, s.logSumExp, (t: Tensor) => s.variance(t, -1)][kind];
  return { ...over([x], (t) => f(t)), options: { tolerance: 4e-6 }, gradient: 2e-5 };
}

function order(next: Next): Drawn {
  const shape = [
    ...shapeOf(next, whole(next, 0, 2), 8),
    next() < 0.2 ? whole(next, 1, 3000) : size(next, 129),
  ];
  const n = shape[shape.length - 1];
  const x = viewed(next, shape);
  const options = { exact: true, tolerance: 0 };
  const seed = whole(next, 1, 1e6);
  switch (whole(next, 0, 3)) {
    case 0: {
      const [k, largest] = [whole(next, 1, n), next() < 0.5];
      return { ...over([x], (t) => s.topK(t, k, { largest })), options, gradient: 1e-5 };
    }
    case 1:
      // Many equal ones: whichever comes first stays first.
      return {
        f: (t) => s.argsort(t, -1, { descending: seed % 2 === 0 }),
        inputs: [{ shape, dtype: 'i32', low: 0, high: 7, seed }],
        options,
      };
    case 2:
      return { ...over([x], (t) => s.categorical(s.key(seed, { device: t.device }), t)), options };
    default:
      return {
        ...over([x], (t) => s.uniform(s.key(seed, { device: t.device }), t.shape, { device: t.device })),
        options,
      };
  }
}

/** Families of functions by name. */
export const families: { readonly [name: string]: (next: Next) => Drawn } = {
  'products, transposed, batched, with what is done to them': product,
  'chains of element-by-element functions': chain,
  'gather, scatterAdd, slice, concat, takeAlong': indexing,
  conv1d: convolution,
  'softmax, logSumExp, variance, crossEntropy': rows,
  'topK, argsort, sampling': order,
};

/** Draws from a family and holds values and gradients against the CPU. The error names the seed. */
export async function compareDrawn(family: (next: Next) => Drawn, seed: number): Promise<void> {
  const { f, inputs, options, gradient } = family(random(seed));
  try {
    await same(f, inputs, options);
    if (gradient !== undefined) await sameGrad(f, inputs, { tolerance: gradient });
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
}
