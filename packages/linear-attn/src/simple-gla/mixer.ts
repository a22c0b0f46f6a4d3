import { logSigmoid, mul, split } from '@seq/tensor';
import type { Key, TensorOptions } from '@seq/tensor';
import { linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { defineMatrixMixer, headsOf, splitHeads } from '../internal/matrix-mixer.js';
import type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';

/** Options of the `simpleGla`. */
export interface SimpleGlaOptions extends HeadOptions {
  /** τ: log-decays are logσ(·)/τ, so that most of the memory stays at first. Default 16. */
  readonly gateNormalizer?: number;
}

/** Parameters of the `simpleGla`. */
export interface SimpleGlaParams extends ReadoutParams {
  /** weight [H K, C] */
  readonly q: LinearParams;
  /** weight [H K, C] */
  readonly k: LinearParams;
  /** weight [H V, C] */
  readonly v: LinearParams;
  /** weight [H, C], bias [H] */
  readonly decay: LinearParams;
}

/**
 * Simple gated linear attention as a mixer: a matrix per head, and one forgetting rate per head and position.
 *
 *   g = logσ(W_g x + b)/τ    S ← e^g S + k vᵀ    y = W_out (rmsNorm(Sᵀ q/√K) ∘ silu(W_z x))
 *
 * @throws OptionError  sizes that are no positive integers
 * @see formulas at `simpleGlaScan`; τ: Yang et al. 2024, arXiv:2312.06635, section 4.4
 */
export function simpleGla({
  gateNormalizer: tau = 16,
  ...o
}: SimpleGlaOptions): CausalMixer<SimpleGlaParams, MatrixState> {
  const heads = headsOf('simpleGla', o);
  const { H, K, V } = heads;
  const C = o.dModel;
  return defineMatrixMixer<SimpleGlaParams>({
    kind: 'seq/simple-gla',
    dModel: C,
    heads,
    options: { gateNormalizer: tau },
    gated: true,
    terms: { decay: 'head', erase: 'none' },
    init(key: Key, place: TensorOptions) {
      const keys = split(key, 4);
      const plain = { bias: false, ...place };
      return {
        q: linearInit(keys[0], C, H * K, plain),
        k: linearInit(keys[1], C, H * K, plain),
        v: linearInit(keys[2], C, H * V, plain),
        decay: linearInit(keys[3], C, H, place),
      };
    },
    operands: (p, x) => ({
      q: mul(splitHeads(linear(x, p.q), H), K ** -0.5),
      k: splitHeads(linear(x, p.k), H),
      v: splitHeads(linear(x, p.v), H),
      logDecay: mul(logSigmoid(linear(x, p.decay)), 1 / tau),
    }),
    cost: {
      params: C * H * (2 * K + V + 1) + H,
      products: C * H * (2 * K + V + 1),
      perPosition: H * K + 3 * H,
    },
  });
}
