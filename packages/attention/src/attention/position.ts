import {
  abs,
  and,
  arange,
  cast,
  expandDims,
  ge,
  le,
  mul,
  neg,
  OptionError,
  reshape,
  scope,
  ShapeError,
  show,
  sub,
  tensor,
} from '@seq/tensor';
import type { Device, Tensor, TensorOptions } from '@seq/tensor';

/** Keys that a query at position p may see: W for p − W + 1 … p, [left, right] for p − left … p + right; Infinity is no bound. */
export type WindowSize = number | readonly [left: number, right: number];

/** [left, right] of a window. @throws OptionError  sizes that are not whole numbers */
export function windowBounds(fn: string, window: WindowSize): readonly [left: number, right: number] {
  const [left, right] = typeof window === 'number' ? [window - 1, 0] : window;
  for (const n of [left, right])
    if (n !== Infinity && (!Number.isInteger(n) || n < 0))
      throw new OptionError(
        `${fn}: windowSize must be a positive integer W, or [left, right] of whole numbers or Infinity, got ${show(typeof window === 'number' ? [window] : [...window])}. W keeps W keys in all, [left, right] those beside the query's own.`,
      );
  return [left, right];
}

/** [T, 1] and [1, S] i32: positions of queries and keys, the last query at the last key. */
function positions(T: number, S: number, device: Device): [queries: Tensor, keys: Tensor] {
  const o = { dtype: 'i32', device } as const;
  return [expandDims(arange(S - T, S, 1, o), 1), expandDims(arange(0, S, 1, o), 0)];
}

/** [T, S] bool: p − left ≤ j ≤ p + right with p = i + S − T; nothing to compute, undefined, where both are Infinity. */
export function windowMask(
  T: number,
  S: number,
  [left, right]: readonly [left: number, right: number],
  device: Device,
): Tensor | undefined {
  return scope(() => {
    const [p, j] = positions(T, S, device);
    const behind = left === Infinity ? undefined : ge(j, left === 0 ? p : sub(p, left));
    const ahead = right === Infinity ? undefined : le(j, right === 0 ? p : p.add(right));
    return behind && ahead ? and(behind, ahead) : (behind ?? ahead);
  });
}

/**
 * Slopes of attention with linear biases, one per head: a geometric sequence from 2^(−8/H) by that factor.
 *
 *   m_h = 2^(−8 (h + 1) / H),   h = 0 … H − 1
 *
 * Where H is no power of two: the slopes of the power P below it, then the first H − P of every other slope of 2 P.
 *
 * @param numHeads  H
 * @param options   device and dtype
 * @returns         [H], positive
 * @throws OptionError  numHeads not a positive integer
 * @see Press et al. 2021, arXiv:2108.12409, section 3
 */
export function alibiSlopes(numHeads: number, options: TensorOptions = {}): Tensor {
  if (!Number.isInteger(numHeads) || numHeads < 1)
    throw new OptionError(`alibiSlopes: numHeads must be a positive integer, got ${numHeads}.`);
  const geometric = (n: number): number[] => Array.from({ length: n }, (_, h) => 2 ** ((-8 * (h + 1)) / n));
  const power = 2 ** Math.floor(Math.log2(numHeads));
  const between = geometric(2 * power).filter((_, h) => h % 2 === 0);
  return tensor([...geometric(power), ...between.slice(0, numHeads - power)], options);
}

/** −slope · distance, [1 or B, H, …]: slopes [H] or [B, H], i32 distances whose last two axes are [T, S]. */
export function alibiBias(slopes: Tensor, distance: Tensor): Tensor {
  return scope(() =>
    mul(reshape(neg(slopes), [-1, slopes.shape.at(-1)!, 1, 1]), cast(distance, slopes.dtype)),
  );
}

/** [T, S] i32: |i + S − T − j|. */
export function distances(T: number, S: number, device: Device): Tensor {
  return scope(() => {
    const [p, j] = positions(T, S, device);
    return abs(sub(p, j));
  });
}

/** Checks slopes [H] or [B, H]. */
export function checkSlopes(fn: string, slopes: Tensor, B: number, H: number): void {
  const shape = slopes.shape.join();
  if (shape !== `${H}` && shape !== `${B},${H}`)
    throw new ShapeError(
      `${fn}: alibiSlopes must be [H] = [${H}] or [B, H] = [${B}, ${H}], got ${show(slopes.shape)}. alibiSlopes(${H}) makes those of the paper.`,
    );
}
