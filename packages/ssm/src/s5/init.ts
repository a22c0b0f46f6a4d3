import { matmul, normal, OptionError, scope, split, tensor, uniform } from '@seq/tensor';
import type { Complex, Key, Tensor, TensorOptions } from '@seq/tensor';
import { lecunNormal } from '@seq/nn';
import { hippoLegs } from '../internal/hippo.js';
import type { S5System } from './op.js';

/** How many states, and from where to where step sizes begin. */
export interface S5InitOptions {
  readonly blocks: number;
  readonly dtMin: number;
  readonly dtMax: number;
}

/**
 * A system of P states: `blocks` copies of the eigenvalues of HiPPO-LegS with positive imaginary part, and of their
 * eigenvectors V. B = V* B₀ and C = C₀ V with B₀ real and C₀ complex, all parts of variance 1 / (2 P), as in the authors' code.
 *
 * @throws OptionError  blocks that do not divide P
 * @see Smith, Warrington, Linderman 2023, arXiv:2208.04933, section 4.1 and appendix B
 */
export function s5SystemInit(
  key: Key,
  H: number,
  P: number,
  { blocks, dtMin, dtMax, ...o }: S5InitOptions & TensorOptions,
): S5System {
  if (!Number.isInteger(blocks) || blocks < 1 || P % blocks !== 0)
    throw new OptionError(`s5: blocks must divide stateDim / 2 = ${P}, got ${blocks}.`);
  const half = P / blocks;
  const whole = 2 * half;
  const { lambda, V } = hippoLegs(whole);
  const repeated = (list: Float64Array): Tensor =>
    tensor(
      Float64Array.from({ length: P }, (_, i) => list[half + (i % half)]),
      { ...o, dtype: o.dtype ?? 'f32' },
    );
  /** Columns half … of V, or the conjugate rows of V*. */
  const basis = (part: Float64Array, sign: number): Tensor => {
    const columns = new Float64Array(whole * half);
    for (let n = 0; n < whole; n++)
      for (let k = 0; k < half; k++) columns[n * half + k] = sign * part[n * whole + half + k];
    return tensor(columns, { shape: [whole, half], ...o, dtype: o.dtype ?? 'f32' });
  };
  return scope(() => {
    const keys = split(key, 5);
    const [b, cr, ci] = [0, 1, 2].map((i) => lecunNormal(keys[i], [H, 2 * P], o));
    const into = (part: Float64Array, sign: number): Tensor =>
      matmul(basis(part, sign).transpose(), b.transpose().reshape([blocks, whole, H])).reshape([P, H]);
    const out = (c: Tensor, part: Float64Array): Tensor =>
      matmul(c.reshape([H * blocks, whole]), basis(part, 1)).reshape([H, P]);
    const parts = (re: Tensor, im: Tensor): Complex => ({ re, im });
    return {
      lambda: parts(repeated(lambda.re), repeated(lambda.im)),
      logStep: uniform(keys[3], [P], { low: Math.log(dtMin), high: Math.log(dtMax), ...o }),
      B: parts(into(V.re, 1), into(V.im, -1)),
      C: parts(out(cr, V.re).sub(out(ci, V.im)), out(cr, V.im).add(out(ci, V.re))),
      D: normal(keys[4], [H], o),
    };
  });
}
