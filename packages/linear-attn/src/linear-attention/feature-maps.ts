// Functions φ with φ(x) · φ(y) near a kernel of x and y. Those with a draw take it as an operand, so that it can be a parameter.
import {
  add,
  concat,
  cos,
  elu,
  exp,
  full,
  gather,
  matmul,
  max,
  mul,
  normal,
  relu,
  reshape,
  scope,
  sin,
  split,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  tensor,
  transpose,
} from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { orthogonal } from '@seq/nn';

/** elu(x) + 1 > 0, element by element. */
export function eluPlusOne(x: Tensor): Tensor {
  return add(elu(x), 1);
}

/** max(x, 0). */
export function reluFeatures(x: Tensor): Tensor {
  return relu(x);
}

/** e^x. */
export function expFeatures(x: Tensor): Tensor {
  return exp(x);
}

/** Ways to choose `degree` of K channels, order left aside, and the root of the number of orders of each. */
function monomialsOf(K: number, degree: number): { chosen: number[][]; weights: number[] } {
  let chosen: number[][] = [[]];
  for (let d = 0; d < degree; d++)
    chosen = chosen.flatMap((list) =>
      Array.from({ length: K - (list.at(-1) ?? 0) }, (_, i) => [...list, (list.at(-1) ?? 0) + i]),
    );
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  const weights = chosen.map((list) => {
    const repeats = new Map<number, number>();
    for (const i of list) repeats.set(i, (repeats.get(i) ?? 0) + 1);
    return Math.sqrt([...repeats.values()].reduce((n, r) => n / factorial(r), factorial(degree)));
  });
  return { chosen, weights };
}

/** Products of `degree` channels of x [..., K], weighted so that φ(x) · φ(y) = factor (x · y)^degree. */
function powers(x: Tensor, degree: number, factor = 1): Tensor {
  const K = x.shape[x.ndim - 1];
  const like = { dtype: x.dtype, device: x.device };
  const root = Math.sqrt(factor);
  if (degree === 0) return full([...x.shape.slice(0, -1), 1], root, like);
  const { chosen, weights } = monomialsOf(K, degree);
  const columns = Array.from({ length: degree }, (_, d) => {
    if (degree === 1) return x;
    const index = tensor(
      Int32Array.from(chosen, (list) => list[d]),
      { device: x.device },
    );
    return gather(x, index, x.ndim - 1);
  });
  const product = columns.reduce((a, b) => mul(a, b));
  if (weights.every((weight) => weight * root === 1)) return product;
  const scaled = weights.map((weight) => weight * root);
  return mul(product, tensor(scaled, like));
}

/**
 * Features of the polynomial kernel, exactly: φ(x) · φ(y) = (x · y + c)^p.
 *
 * @param x        [..., K]
 * @param options  degree p ≥ 1, offset c ≥ 0
 * @returns        [..., (K + p)! / (K! p!)], without offset (K + p − 1)! / ((K − 1)! p!)
 */
export function polynomialFeatures(
  x: Tensor,
  { degree = 2, offset = 1 }: { readonly degree?: number; readonly offset?: number } = {},
): Tensor {
  return scope(() => {
    if (offset === 0) return powers(x, degree);
    return powers(concat([powers(x, 0, offset), x], -1), degree);
  });
}

/**
 * Features of the exponential kernel by its series: φ(x) · φ(y) = Σ_{n ≤ order} (x · y)^n / n!
 *
 * Even orders are positive everywhere. The error is at most |x · y|^{order + 1} e^{|x · y|} / (order + 1)!
 *
 * @param x        [..., K]
 * @param options  order, 2 by default
 * @returns        [..., Σ_n (K + n − 1)! / ((K − 1)! n!)]: 1 + K + K (K + 1) / 2 for order 2
 * @see Arora et al. 2024, arXiv:2402.18668, section 4.1
 */
export function taylorFeatures(x: Tensor, { order = 2 }: { readonly order?: number } = {}): Tensor {
  return scope(() => {
    let factor = 1;
    const parts: Tensor[] = [];
    for (let n = 0; n <= order; n++) {
      if (n > 0) factor /= n;
      parts.push(powers(x, n, factor));
    }
    return concat(parts, -1);
  });
}

/**
 * Random Fourier features: φ(x) · φ(y) estimates the Gaussian kernel e^{−‖x − y‖²/2} without bias, with an error
 * that falls as 1/√M. Features may be negative, so a quotient of them may have no sign.
 *
 * @param x  [..., K]
 * @param w  [M, K]  rows from N(0, I), or `orthogonalDraw`
 * @returns  [..., 2M]
 * @see Rahimi and Recht 2007, Random Features for Large-Scale Kernel Machines, algorithm 1
 */
export function fourierFeatures(x: Tensor, w: Tensor): Tensor {
  return scope(() => {
    const angles = project(x, w);
    return mul(concat([cos(angles), sin(angles)], -1), w.shape[0] ** -0.5);
  });
}

/** The draw of FAVOR+: M rows whose directions are orthogonal K at a time and whose lengths are those of Gaussian vectors. */
export function orthogonalDraw(key: Key, M: number, K: number, o: TensorOptions = {}): Tensor {
  return scope(() => {
    const [lengths, ...blocks] = split(key, 1 + Math.ceil(M / K));
    const rows = blocks.map((block) => orthogonal(block, [K, K], o));
    const norms = sqrt(sum(square(normal(lengths, [M, K], o)), 1, { keepDims: true }));
    return mul(concat(rows, 0).slice(0, 0, M), norms);
  });
}

/**
 * Positive random features for keys: φ_m(k) = e^{−‖k − w_m‖²/2}, at most 1.
 *
 * @param k     [..., K]
 * @param w     [M, K]
 * @param size  [M, 1]  ‖w_m‖²/2, where it is known already
 * @returns     [..., M]
 */
export function favorKeys(k: Tensor, w: Tensor, size?: Tensor): Tensor {
  return scope(() => exp(sub(sub(project(k, w), half(k)), transpose(size ?? half(w)))));
}

/**
 * Positive random features for queries, of which the largest is 1 at every position:
 *
 *   φ_m(q) = e^{w_m · q + ‖w_m‖²/2 − max_m(w_m · q + ‖w_m‖²/2)}
 *
 * Then φ(q) · φ(k) is, up to a factor of the query that a quotient cancels, the estimate of e^{q · k} by positive
 * features (Choromanski et al. 2021, lemma 1): ‖w‖² is moved from keys to queries, so that neither overflows and no
 * position needs a maximum over others. Nothing of the future is seen. The maximum carries no gradient, which is exact
 * for quotients.
 *
 * @param q     [..., K]
 * @param w     [M, K]
 * @param size  [M, 1]  ‖w_m‖²/2, where it is known already
 * @returns     [..., M]
 * @see Choromanski et al. 2021, arXiv:2009.14794, eq. 5 and section 2.3
 */
export function favorQueries(q: Tensor, w: Tensor, size?: Tensor): Tensor {
  return scope(() => {
    const score = add(project(q, w), transpose(size ?? half(w)));
    return exp(sub(score, stopGradient(max(score, -1, { keepDims: true }))));
  });
}

/**
 * The features of performer-pytorch, for models trained with them: (e^{w · x − ‖x‖²/2 − m} + eps)/√M.
 *
 * For queries m is the largest w · x of the position; for keys it is the largest of **all positions**, so that, by the
 * added eps, causal attention sees the future. No gradient flows through m. New models: `favorQueries`, `favorKeys`.
 *
 * @param x        [B, T, H, K]  scaled by K^{−1/4} already
 * @param w        [M, K]
 * @param options  keys: whether x are keys; eps 1e-4
 * @returns        [B, T, H, M]
 */
export function performerFeatures(
  x: Tensor,
  w: Tensor,
  { keys, eps = 1e-4 }: { readonly keys: boolean; readonly eps?: number },
): Tensor {
  return scope(() => {
    const score = project(x, w);
    const largest = max(score, keys ? [1, 3] : -1, { keepDims: true });
    return mul(add(exp(sub(sub(score, half(x)), stopGradient(largest))), eps), w.shape[0] ** -0.5);
  });
}

/** x wᵀ over the last axis. */
function project(x: Tensor, w: Tensor): Tensor {
  const lead = x.shape.slice(0, -1);
  const flat = reshape(x, [lead.reduce((a, b) => a * b, 1), x.shape[x.ndim - 1]]);
  return reshape(matmul(flat, transpose(w)), [...lead, w.shape[0]]);
}

/** ‖x‖²/2 over the last axis, which stays as 1. */
export function half(x: Tensor): Tensor {
  return mul(sum(square(x), -1, { keepDims: true }), 0.5);
}
