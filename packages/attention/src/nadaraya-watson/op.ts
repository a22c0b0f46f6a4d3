import {
  and,
  arange,
  div,
  expandDims,
  gt,
  le,
  log,
  matmul,
  mean,
  min,
  mul,
  ne,
  OptionError,
  scope,
  ShapeError,
  show,
  slice,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  topK,
  where,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/** How weight falls with distance. */
export type SmoothingKernel = 'nearest' | 'box' | 'triangular' | 'epanechnikov' | 'gaussian';

/** Options of `nadarayaWatson`. */
export interface SmoothingOptions {
  /** Default 'gaussian'. */
  readonly kernel?: SmoothingKernel;
  /**
   * h: the standard deviation of a Gaussian, how far the others reach; a tensor that broadcasts to [..., T, S] gives
   * queries or points their own and has a gradient. Of `nearest` the number of neighbours.
   */
  readonly bandwidth: number | Tensor;
  /** bool, broadcastable to [..., T, S]; true = keep. */
  readonly mask?: Tensor;
}

/**
 * Kernel smoothing: the mean of the values of known points, weighted by how near they are.
 *
 *   f(x) = Σ_i K(‖x − x_i‖ / h) y_i / Σ_i K(‖x − x_i‖ / h)
 *
 *   box 1 for u ≤ 1    triangular (1 − u)₊    epanechnikov ¾ (1 − u²)₊    gaussian exp(−u²/2)
 *
 * `nearest` is a box that reaches as far as the h-th nearest point, and so weights h neighbours alike. Weights are the
 * softmax of log K, so that a Gaussian is right however far x lies from all points. A place that no point reaches gives
 * 0. Differences are taken channel by channel: memory grows with T · S · D.
 *
 * @param x        [..., T, D] where f is asked for
 * @param points   [..., S, D] where it is known
 * @param values   [..., S, V] what it is there
 * @param options  kernel, bandwidth, mask
 * @returns        [..., T, V]
 * @throws ShapeError   shapes that do not fit together
 * @throws OptionError  a bandwidth that is not positive, numbers of neighbours that are not whole or above S
 * @see Nadaraya 1964, Theory of Probability and Its Applications 9(1), 141–142; Watson 1964, Sankhyā A 26(4), 359–372
 */
export function nadarayaWatson(x: Tensor, points: Tensor, values: Tensor, options: SmoothingOptions): Tensor {
  return scope(() => {
    const known = pairs('nadarayaWatson', x, points, values, options.mask);
    return matmul(softmax(logKernel('nadarayaWatson', known, options), -1), values);
  });
}

/**
 * The logarithms of the weights of `nadarayaWatson`, up to what is the same for all points of a place.
 *
 * @param x        [..., T, D]
 * @param points   [..., S, D]
 * @param options  kernel, bandwidth, mask
 * @returns        [..., T, S], −∞ where a point has no weight
 * @throws ShapeError, OptionError  as `nadarayaWatson`
 */
export function smoothingScores(x: Tensor, points: Tensor, options: SmoothingOptions): Tensor {
  return scope(() => {
    const known = pairs('smoothingScores', x, points, points, options.mask);
    return logKernel('smoothingScores', known, options);
  });
}

/**
 * The mean squared error of foretelling each point from the others, which a good bandwidth makes small.
 *
 *   E(h) = mean_i ‖y_i − f_{−i}(x_i)‖² / V,   f_{−i} without point i
 *
 * Infinite where a bandwidth leaves a point without neighbours: there it foretells nothing.
 *
 * @param points   [..., S, D]
 * @param values   [..., S, V]
 * @param options  kernel, bandwidth (its gradient, where it is a tensor, flows), mask [..., S, S]
 * @returns        []
 * @throws ShapeError, OptionError  as `nadarayaWatson`
 */
export function leaveOneOutError(points: Tensor, values: Tensor, options: SmoothingOptions): Tensor {
  return scope(() => {
    const known = others('leaveOneOutError', points, values, options.mask);
    return errorOf('leaveOneOutError', known, values, options);
  });
}

/**
 * The bandwidth of least `leaveOneOutError`, or the best number of neighbours.
 *
 * @param points      [..., S, D]
 * @param values      [..., S, V]
 * @param candidates  bandwidths to try
 * @param options     kernel, mask
 * @returns           the best candidate, the first of equals, and the error of each
 * @throws ShapeError   shapes that do not fit together
 * @throws OptionError  no candidate, one that is no bandwidth, or all of them too small
 * @see Härdle and Marron 1985, Annals of Statistics 13(4), 1465–1481
 */
export async function leaveOneOutBandwidth(
  points: Tensor,
  values: Tensor,
  candidates: readonly number[],
  options: Omit<SmoothingOptions, 'bandwidth'> = {},
): Promise<{ bandwidth: number; errors: number[] }> {
  const fn = 'leaveOneOutBandwidth';
  const scores = scope(() => {
    const known = others(fn, points, values, options.mask);
    return candidates.map((bandwidth) => errorOf(fn, known, values, { ...options, bandwidth }));
  });
  const errors = await Promise.all(scores.map((error) => error.item()));
  for (const error of scores) error.dispose();
  const least = Math.min(...errors);
  if (!(least < Infinity))
    throw new OptionError(
      `${fn}: some candidate must leave no point without neighbours, got ${show([...candidates])}. Give larger ones.`,
    );
  return { bandwidth: candidates[errors.indexOf(least)], errors };
}

/** What is known of each pair of a place and a point, [..., T, S]. */
interface Pairs {
  /** ‖x − x_i‖² */
  readonly squares: Tensor;
  /** Points that count; absent: all. */
  readonly seen?: Tensor;
}

/** All pairs; refuses places, points and values that do not fit together. */
function pairs(fn: string, x: Tensor, points: Tensor, values: Tensor, mask?: Tensor): Pairs {
  const [D, S] = [x.shape.at(-1), points.shape.at(-2)];
  const ranks = x.ndim >= 2 && points.ndim === x.ndim && values.ndim === x.ndim;
  const outer = [x, points, values].map(({ shape }) => shape.slice(0, -2).join());
  if (!ranks || outer.some((o) => o !== outer[0]) || points.shape.at(-1) !== D || values.shape.at(-2) !== S)
    throw new ShapeError(
      `${fn}: places, points and values must be [..., T, D], [..., S, D] and [..., S, V], got ${show(x.shape)}, ${show(points.shape)} and ${show(values.shape)}. Numbers on a line have D = 1.`,
    );
  const squares = sum(square(sub(expandDims(x, -2), expandDims(points, -3))), -1);
  const lead = squares.ndim - (mask?.ndim ?? 0);
  if (mask && (lead < 0 || mask.shape.some((d, i) => d !== 1 && d !== squares.shape[lead + i])))
    throw new ShapeError(
      `${fn}: mask must be broadcastable to [..., T, S] = ${show(squares.shape)}, got ${show(mask.shape)}. Add axes of size 1.`,
    );
  return { squares, ...(mask && { seen: mask }) };
}

/** Pairs of points, none of which counts for itself. */
function others(fn: string, points: Tensor, values: Tensor, mask?: Tensor): Pairs {
  const { squares, seen } = pairs(fn, points, points, values, mask);
  const at = arange(0, squares.shape.at(-1), 1, { dtype: 'i32', device: squares.device });
  const apart = ne(expandDims(at, 0), expandDims(at, 1));
  return { squares, seen: seen ? and(seen, apart) : apart };
}

function errorOf(fn: string, known: Pairs, values: Tensor, options: SmoothingOptions): Tensor {
  const weights = softmax(logKernel(fn, known, options), -1);
  const error = mean(square(sub(values, matmul(weights, values))));
  const alone = le(min(sum(weights, -1)), 0.5); // weights add up to 1, or all of them are 0
  return where(alone, Infinity, error);
}

/** log K of all pairs; −∞ where a point has no weight. */
function logKernel(fn: string, { squares, seen }: Pairs, options: SmoothingOptions): Tensor {
  const { kernel = 'gaussian', bandwidth: h } = options;
  if (typeof h === 'number' && !(h > 0 && h < Infinity))
    throw new OptionError(`${fn}: bandwidth must be positive and finite, got ${h}.`);
  const [score, inside] = kernel === 'nearest' ? nearest(fn, squares, seen, h) : kernels[kernel](squares, h);
  const counts = inside && seen ? and(inside, seen) : (inside ?? seen);
  return counts ? where(counts, score, -Infinity) : score;
}

/** log K, and where it is finite; absent: everywhere. */
type Weighed = readonly [score: Tensor, inside?: Tensor];

const kernels = {
  box: (squares: Tensor, h: number | Tensor): Weighed => [squares.zeros(), le(squares, squareOf(h))],
  triangular(squares: Tensor, h: number | Tensor): Weighed {
    const apart = gt(squares, 0); // the root has no slope at 0
    const distance = where(apart, sqrt(where(apart, squares, 1)), 0);
    return logWherePositive(sub(1, div(distance, h)));
  },
  epanechnikov: (squares: Tensor, h: number | Tensor): Weighed =>
    logWherePositive(sub(1, div(squares, squareOf(h)))),
  gaussian: (squares: Tensor, h: number | Tensor): Weighed => [mul(div(squares, squareOf(h)), -0.5)],
};

const squareOf = (h: number | Tensor): number | Tensor => (typeof h === 'number' ? h * h : square(h));

function logWherePositive(weight: Tensor): Weighed {
  const inside = gt(weight, 0);
  return [log(where(inside, weight, 1)), inside];
}

/** The box that ends at the farthest of so many neighbours. */
function nearest(fn: string, squares: Tensor, seen: Tensor | undefined, count: number | Tensor): Weighed {
  const S = squares.shape.at(-1)!;
  if (typeof count !== 'number' || !Number.isInteger(count) || count > S)
    throw new OptionError(
      `${fn}: the bandwidth of nearest neighbours is their number, at most S = ${S}, got ${typeof count === 'number' ? count : show(count.shape)}. Give a whole number.`,
    );
  const reachable = seen ? where(seen, squares, 3e38) : squares;
  const [near] = topK(reachable, count, { largest: false });
  return [squares.zeros(), le(squares, slice(near, -1, count - 1))];
}
