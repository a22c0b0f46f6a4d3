import { linearRecurrence, mul, scope, ShapeError, show, sub } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/** Options of `exponentialMovingAverage`. */
export interface EmaSequenceOptions {
  /** [B, C] average before the first position; zero if absent. */
  readonly h0?: Tensor;
}

/**
 * Exponential moving average of each channel over time.
 *
 *   h_t = a ∘ h_{t−1} + (1 − a) ∘ x_t
 *
 * @param x        [B, T, C]  inputs; any T ≥ 0
 * @param a        [C]        decay, 0 … 1; 0 copies x, 1 keeps h0
 * @param options  h0 [B, C]
 * @returns        h [B, T, C], the average after each position
 * @throws ShapeError  shapes that do not fit together
 * @see Brown 1956, Exponential Smoothing for Predicting Demand
 */
export function exponentialMovingAverage(x: Tensor, a: Tensor, { h0 }: EmaSequenceOptions = {}): Tensor {
  const [B, , C] = x.shape;
  if (x.ndim !== 3 || a.ndim !== 1 || a.shape[0] !== C)
    throw new ShapeError(
      `exponentialMovingAverage: x must be [B, T, C] and a [C] with the same C, got x ${show(x.shape)}, a ${show(a.shape)}. Give one decay per channel.`,
    );
  if (h0 && (h0.ndim !== 2 || h0.shape[0] !== B || h0.shape[1] !== C))
    throw new ShapeError(
      `exponentialMovingAverage: h0 must be [B, C] = ${show([B, C])}, got ${show(h0.shape)}. Give one average per row.`,
    );
  return scope(() => linearRecurrence(a, mul(sub(1, a), x), { ...(h0 && { initial: h0 }) }));
}
