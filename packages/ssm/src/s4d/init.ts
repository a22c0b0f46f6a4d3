import { full, normal, OptionError, scope, split, tensor, uniform } from '@seq/tensor';
import type { Key, TensorOptions } from '@seq/tensor';
import { hippoLegs } from '../internal/hippo.js';
import type { S4dSystem } from './op.js';

/** How the rates of a diagonal state space begin. */
export type S4dInit = 'lin' | 'inv' | 'legs' | 'real';

/**
 * Rates of M states, half of N = 2 M conjugate ones.
 *
 *   lin  −½ + iπn       inv  −½ + i (N/π) (N/(2n+1) − 1)       legs  the eigenvalues of HiPPO-LegS       real  −(n+1)
 *
 * @see Gu et al. 2022, arXiv:2206.11893, section 4.3
 */
export function s4dRates(init: S4dInit, M: number): { re: Float64Array; im: Float64Array } {
  const N = 2 * M;
  const at = (f: (n: number) => number): Float64Array => Float64Array.from({ length: M }, (_, n) => f(n));
  const half = at(() => -0.5);
  if (init === 'lin') return { re: half, im: at((n) => Math.PI * n) };
  if (init === 'inv') return { re: half, im: at((n) => (N / Math.PI) * (N / (2 * n + 1) - 1)) };
  if (init === 'real') return { re: at((n) => -(n + 1)), im: at(() => 0) };
  if (init !== 'legs')
    throw new OptionError(`s4d: init must be 'lin', 'inv', 'legs' or 'real', got '${String(init)}'.`);
  return { re: half, im: hippoLegs(N).lambda.im.slice(M) };
}

/** A system of H channels with M states: step sizes log-uniform, C complex normal of variance 1, D normal. */
export function s4dSystemInit(
  key: Key,
  H: number,
  M: number,
  { init, dtMin, dtMax, ...o }: TensorOptions & { init: S4dInit; dtMin: number; dtMax: number },
): S4dSystem {
  if (!(dtMin > 0 && dtMax >= dtMin))
    throw new OptionError(`s4d: 0 < dtMin ≤ dtMax is needed, got ${dtMin} and ${dtMax}.`);
  const { re, im } = s4dRates(init, M);
  return scope(() => {
    const [first, second, third, fourth] = split(key, 4);
    const rows = (list: Float64Array) =>
      tensor(list, { ...o, dtype: o.dtype ?? 'f32' }).add(full([H, M], 0, o));
    return {
      logStep: uniform(first, [H], { low: Math.log(dtMin), high: Math.log(dtMax), ...o }),
      logReal: rows(re.map((x) => Math.log(-x))),
      imag: rows(im),
      C: {
        re: normal(second, [H, M], { std: Math.SQRT1_2, ...o }),
        im: normal(third, [H, M], { std: Math.SQRT1_2, ...o }),
      },
      D: normal(fourth, [H], o),
    };
  });
}
