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
 * A system of P states: `blocks` copies of the eigenvalues of HiPPO-LegS with positive imaginary part; B and C are drawn
 * real, B = V* B₀ and C = C₀ V, each state being one of a conjugate pair.
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
      { dtype: 'f32', ...o },
    );
  /** Columns half … of V, or the conjugate rows of V*. */
  const basis = (part: Float64Array, sign: number): Tensor => {
    const columns = new Float64Array(whole * half);
    for (let n = 0; n < whole; n++)
      for (let k = 0; k < half; k++) columns[n * half + k] = sign * part[n * whole + half + k];
    return tensor(columns, { shape: [whole, half], dtype: 'f32', ...o });
  };
  return scope(() => {
    const [first, second, third, fourth] = split(key, 4);
    const b = lecunNormal(first, [blocks * whole, H], o).reshape([blocks, whole, H]);
    const c = lecunNormal(second, [H, blocks * whole], o).reshape([H, blocks, whole]);
    const into = (part: Float64Array, sign: number): Tensor =>
      matmul(basis(part, sign).transpose(), b).reshape([P, H]);
    const out = (part: Float64Array): Tensor =>
      matmul(c.reshape([H * blocks, whole]), basis(part, 1)).reshape([H, P]);
    const parts = (re: Tensor, im: Tensor): Complex => ({ re, im });
    return {
      lambda: parts(repeated(lambda.re), repeated(lambda.im)),
      logStep: uniform(third, [P], { low: Math.log(dtMin), high: Math.log(dtMax), ...o }),
      B: parts(into(V.re, 1), into(V.im, -1)),
      C: parts(out(V.re), out(V.im)),
      D: normal(fourth, [H], o),
    };
  });
}
