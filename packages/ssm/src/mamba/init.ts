import { exp, expm1, log, neg, OptionError, scope, uniform, arange } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';

/** From where to where the step sizes of a selective state space begin. */
export interface StepInitOptions {
  /** Smallest and largest step size at the beginning. Defaults 0.001 and 0.1. */
  readonly dtMin?: number;
  readonly dtMax?: number;
  /** No step size begins below this. Default 1e-4. */
  readonly dtInitFloor?: number;
}

/**
 * Biases b [C] with softplus(b) log-uniform in [dtMin, dtMax]: b = dt + log(1 − e^−dt).
 *
 * @throws OptionError  bounds that are not 0 < dtMin ≤ dtMax
 */
export function stepBiasInit(
  key: Key,
  C: number,
  { dtMin = 0.001, dtMax = 0.1, dtInitFloor = 1e-4, ...o }: StepInitOptions & TensorOptions = {},
): Tensor {
  if (!(dtMin > 0 && dtMax >= dtMin && dtInitFloor > 0))
    throw new OptionError(
      `stepBiasInit: 0 < dtMin ≤ dtMax and 0 < dtInitFloor are needed, got ${dtMin}, ${dtMax}, ${dtInitFloor}.`,
    );
  return scope(() => {
    const dt = exp(uniform(key, [C], { low: Math.log(dtMin), high: Math.log(dtMax), ...o })).maximum(
      dtInitFloor,
    );
    return dt.add(log(neg(expm1(neg(dt)))));
  });
}

/** log(1 … N) in each of C rows: A = −exp of it is −1 … −N, as S4D-Real. */
export function logStatesInit(C: number, N: number, o: TensorOptions = {}): Tensor {
  return scope(() =>
    log(arange(1, N + 1, 1, o))
      .broadcastTo([C, N])
      .contiguous(),
  );
}
