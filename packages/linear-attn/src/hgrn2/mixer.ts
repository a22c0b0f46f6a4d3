import { add, log, logSigmoid, mul, neg, OptionError, sigmoid, silu, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { defineMatrixMixer, headsOf, splitHeads } from '../internal/matrix-mixer.js';
import type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';

/** Options of the `hgrn2` mixer. */
export interface Hgrn2Options extends HeadOptions {
  /** ℓ, 0 ≤ ℓ < 1: no channel keeps less than this; higher layers keep more. Default 0. */
  readonly lowerBound?: number;
}

/** Parameters of the `hgrn2` mixer. */
export interface Hgrn2Params extends ReadoutParams {
  /** weight [H K, C] */
  readonly q: LinearParams;
  /** weight [H K, C] */
  readonly forget: LinearParams;
  /** weight [H V, C] */
  readonly v: LinearParams;
}

/**
 * HGRN2 as a mixer: a matrix per head whose channels write what they forget.
 *
 *   f = ℓ + (1 − ℓ) σ(W_f x)    S ← diag(f) S + (1 − f) (W_v x)ᵀ    y = W_out rmsNorm(Sᵀ silu(W_q x))
 *
 * @throws OptionError  sizes that are no positive integers, lowerBound outside [0, 1)
 * @see Qin et al. 2024, arXiv:2404.07904, section 3
 */
export function hgrn2({ lowerBound = 0, ...o }: Hgrn2Options): CausalMixer<Hgrn2Params, MatrixState> {
  if (!(lowerBound >= 0 && lowerBound < 1))
    throw new OptionError(`hgrn2: lowerBound must be in [0, 1), got ${lowerBound}.`);
  const heads = headsOf('hgrn2', o);
  const { H, K, V } = heads;
  const C = o.dModel;
  const bounded = lowerBound > 0;
  /** log f */
  const logForget = (f: Tensor): Tensor =>
    bounded ? log(add(mul(sigmoid(f), 1 - lowerBound), lowerBound)) : logSigmoid(f);
  /** 1 − f, without cancellation */
  const written = (f: Tensor): Tensor => {
    const rest = sigmoid(neg(f));
    return bounded ? mul(rest, 1 - lowerBound) : rest;
  };
  return defineMatrixMixer<Hgrn2Params>({
    kind: 'seq/hgrn2',
    dModel: C,
    heads,
    options: { lowerBound },
    gated: false,
    terms: { decay: 'key', erase: 'none' },
    init(key: Key, place: TensorOptions) {
      const keys = split(key, 3);
      const plain = { bias: false, ...place };
      return {
        q: linearInit(keys[0], C, H * K, plain),
        forget: linearInit(keys[1], C, H * K, plain),
        v: linearInit(keys[2], C, H * V, plain),
      };
    },
    operands(p, x) {
      const f = splitHeads(linear(x, p.forget), H);
      return {
        q: silu(splitHeads(linear(x, p.q), H)),
        k: written(f),
        v: splitHeads(linear(x, p.v), H),
        logDecay: logForget(f),
      };
    },
    cost: {
      params: C * H * (2 * K + V),
      products: C * H * (2 * K + V),
      perPosition: (bounded ? 8 : 4) * H * K,
    },
  });
}
