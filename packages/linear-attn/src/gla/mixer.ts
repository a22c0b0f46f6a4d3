import { logSigmoid, mul, split } from '@seq/tensor';
import type { Key, TensorOptions } from '@seq/tensor';
import { linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { defineMatrixMixer, headsOf, splitHeads } from '../internal/matrix-mixer.js';
import type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';

/** Options of the `gla` mixer. */
export interface GlaOptions extends HeadOptions {
  /** R, width between the two matrices of the gate. Default 16. */
  readonly rank?: number;
  /** τ: log-decays are logσ(·)/τ, so that most of the memory stays at first. Default 16. */
  readonly gateNormalizer?: number;
}

/** Parameters of the `gla` mixer. */
export interface GlaParams extends ReadoutParams {
  /** weight [H K, C] */
  readonly q: LinearParams;
  /** weight [H K, C] */
  readonly k: LinearParams;
  /** weight [H V, C] */
  readonly v: LinearParams;
  /** weight [R, C] */
  readonly decayIn: LinearParams;
  /** weight [H K, R], bias [H K] */
  readonly decayOut: LinearParams;
}

/**
 * Gated linear attention as a mixer: a matrix per head, and a forgetting rate per key channel and position.
 *
 *   g = logσ(W₂ W₁ x + b)/τ    S ← diag(e^g) S + k vᵀ    y = W_out (rmsNorm(Sᵀ q/√K) ∘ silu(W_z x))
 *
 * @throws OptionError  sizes that are no positive integers
 * @see Yang et al. 2024, arXiv:2312.06635, section 4.4
 */
export function gla({
  rank: R = 16,
  gateNormalizer: tau = 16,
  ...o
}: GlaOptions): CausalMixer<GlaParams, MatrixState> {
  const heads = headsOf('gla', o);
  const { H, K, V } = heads;
  const C = o.dModel;
  return defineMatrixMixer<GlaParams>({
    kind: 'seq/gla',
    dModel: C,
    heads,
    options: { rank: R, gateNormalizer: tau },
    gated: true,
    terms: { decay: 'key', erase: 'none' },
    init(key: Key, place: TensorOptions) {
      const keys = split(key, 5);
      const plain = { bias: false, ...place };
      return {
        q: linearInit(keys[0], C, H * K, plain),
        k: linearInit(keys[1], C, H * K, plain),
        v: linearInit(keys[2], C, H * V, plain),
        decayIn: linearInit(keys[3], C, R, plain),
        decayOut: linearInit(keys[4], R, H * K, place),
      };
    },
    operands: (p, x) => ({
      q: mul(splitHeads(linear(x, p.q), H), K ** -0.5),
      k: splitHeads(linear(x, p.k), H),
      v: splitHeads(linear(x, p.v), H),
      logDecay: splitHeads(mul(logSigmoid(linear(linear(x, p.decayIn), p.decayOut)), 1 / tau), H),
    }),
    cost: {
      params: C * H * (2 * K + V) + R * (C + H * K) + H * K,
      products: C * H * (2 * K + V) + R * (C + H * K),
      perPosition: 4 * H * K,
    },
  });
}
