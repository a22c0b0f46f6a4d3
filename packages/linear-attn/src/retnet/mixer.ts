import { broadcastTo, mul, split, tensor } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { linear, linearInit, rope } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { defineMatrixMixer, headsOf, splitHeads } from '../internal/matrix-mixer.js';
import type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
import { retentionDecays } from './op.js';

/** Options of the `retnet` mixer; keyDim must be even. */
export interface RetnetOptions extends HeadOptions {
  /** Base of the rotation's wavelengths. Default 10,000. */
  readonly ropeBase?: number;
}

/** Parameters of the `retnet` mixer. */
export interface RetnetParams extends ReadoutParams {
  /** weight [H K, C] */
  readonly q: LinearParams;
  /** weight [H K, C] */
  readonly k: LinearParams;
  /** weight [H V, C] */
  readonly v: LinearParams;
}

/**
 * Multi-scale retention as a mixer: a matrix per head that fades at a fixed rate, read and written at turned keys.
 *
 *   q, k = rotate(W x)    S ← γ_h S + k vᵀ    y = W_out (rmsNorm(Sᵀ q/√K) ∘ silu(W_z x))    γ_h = 1 − 2^{−5−h}
 *
 * @throws OptionError  sizes that are no positive integers
 * @see Sun et al. 2023, arXiv:2307.08621, eq. 8; without the row normalisers of the authors' code, which the norm of a
 *      head cancels up to eps
 */
export function retnet({
  ropeBase: base = 10_000,
  ...o
}: RetnetOptions): CausalMixer<RetnetParams, MatrixState> {
  const heads = headsOf('retnet', o);
  const { H, K, V } = heads;
  const C = o.dModel;
  return defineMatrixMixer<RetnetParams>({
    kind: 'seq/retnet',
    dModel: C,
    heads,
    options: { ropeBase: base },
    gated: true,
    turns: true,
    terms: { decay: 'head', erase: 'none' },
    init(key: Key, place: TensorOptions) {
      const keys = split(key, 3);
      const plain = { bias: false, ...place };
      return {
        q: linearInit(keys[0], C, H * K, plain),
        k: linearInit(keys[1], C, H * K, plain),
        v: linearInit(keys[2], C, H * V, plain),
      };
    },
    operands(p, x, { position }) {
      const [B, T] = x.shape;
      const turned = (w: LinearParams): Tensor =>
        rope(splitHeads(linear(x, w), H), { base, interleaved: true, ...(position && { offset: position }) });
      const decays = tensor(retentionDecays(H), { dtype: x.dtype, device: x.device });
      return {
        q: mul(turned(p.q), K ** -0.5),
        k: turned(p.k),
        v: splitHeads(linear(x, p.v), H),
        logDecay: broadcastTo(decays, [B, T, H]),
      };
    },
    cost: {
      params: C * H * (2 * K + V),
      products: C * H * (2 * K + V),
      perPosition: 7 * H * K,
      // The angles, once for queries and once for keys.
      once: ({ B, T, form }) => 3 * K * T * (form === 'forward' ? 1 : B),
    },
  });
}
