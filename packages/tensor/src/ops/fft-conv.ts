import { paddedLength } from '../cpu/fft-plan.js';
import { DTypeError, ShapeError, show } from '../engine/errors.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { irfft, resize, rfft, times } from './fft.js';

/**
 * Causal convolution of every channel with a filter of any length, through Fourier transforms: T log T instead of T².
 *
 *   y_t = Σ_{l = 0}^{min(t, L−1)} k_l ∘ x_{t−l}
 *
 * The error is some 10⁻⁷ · log₂ T times ‖k‖ ‖x‖ of the channel: relative to the largest outputs, not to each.
 *
 * @param x       [B, T, C]  f32 or f64, any T ≥ 0
 * @param kernel  [C, L]     the filters, L ≥ 1; what lies beyond T is not used
 * @returns       [B, T, C]
 * @throws ShapeError, DTypeError
 */
export function fftConv(x: Tensor, kernel: Tensor): Tensor {
  if (
    x.shape.length !== 3 ||
    kernel.shape.length !== 2 ||
    kernel.shape[0] !== x.shape[2] ||
    kernel.shape[1] < 1
  )
    throw new ShapeError(
      `fftConv: x must be [B, T, C] and kernel [C, L] with L ≥ 1, got ${show(x.shape)} and ${show(kernel.shape)}.`,
    );
  if (kernel.dtype !== x.dtype)
    throw new DTypeError(
      `fftConv: kernel must have the dtype of x, ${x.dtype}, got ${kernel.dtype}. Use cast().`,
    );
  const [B, T] = x.shape;
  if (B * T * x.shape[2] === 0) return x.zeros();
  return scope(() => {
    const L = Math.min(T, kernel.shape[1]);
    const N = paddedLength(T + L - 1);
    const signal = rfft(resize(x.transpose(), N));
    const filter = rfft(resize(kernel.slice(1, 0, L), N));
    return irfft(times(signal, filter), N).slice(2, 0, T).transpose();
  });
}
