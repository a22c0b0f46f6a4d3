import { expandDims, mul, neg, sigmoid, silu, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { linear, linearInit, uniformFan } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { checkFilter, defineMatrixMixer, headsOf, splitHeads } from '../internal/matrix-mixer.js';
import type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
import { unitLength } from '../internal/normalise.js';

/** Options of the `deltaRule` mixer. */
export interface DeltaRuleOptions extends HeadOptions {
  /** The largest rate, 1 or 2; with 2 the memory can turn signs, which counting modulo 2 needs. Default 1. */
  readonly maxBeta?: number;
  /** W, taps of the short filter in front of queries, keys and values; 0 for none. Default 4. */
  readonly convWidth?: number;
}

/** Parameters of the `deltaRule` mixer. */
export interface DeltaRuleParams extends ReadoutParams {
  /** weight [H (2K + V), C], rows q heads, k heads, v heads */
  readonly qkv: LinearParams;
  /** [H (2K + V), W] the last tap multiplies the newest input; absent for W = 0 */
  readonly taps?: Tensor;
  /** weight [H, C] */
  readonly beta: LinearParams;
}

/**
 * DeltaNet as a mixer: a matrix per head, in which a position replaces what its key points to.
 *
 *   q, k = unit(silu(w ∗ W x))    v = silu(w ∗ W_v x)    β = maxBeta σ(W_β x)    S ← (I − β k kᵀ) S + β k vᵀ
 *   y = W_out rmsNorm(Sᵀ q/√K)
 *
 * @throws OptionError  sizes that are no positive integers
 * @see Yang et al. 2024, arXiv:2406.06484, section 3.3; maxBeta 2: Grazzi et al. 2024, arXiv:2411.12537
 */
export function deltaRule({
  maxBeta = 1,
  convWidth: W = 4,
  ...o
}: DeltaRuleOptions): CausalMixer<DeltaRuleParams, MatrixState> {
  const heads = headsOf('deltaRule', o);
  const { H, K, V } = heads;
  const C = o.dModel;
  const width = H * (2 * K + V);
  checkFilter('deltaRule', W);
  return defineMatrixMixer<DeltaRuleParams>({
    kind: 'seq/delta-rule',
    dModel: C,
    heads,
    options: { maxBeta, convWidth: W },
    convWidth: W,
    gated: false,
    terms: { decay: 'none', erase: 'own' },
    init(key: Key, place: TensorOptions) {
      const keys = split(key, 3);
      const plain = { bias: false, ...place };
      return {
        qkv: linearInit(keys[0], C, width, plain),
        ...(W > 0 && { taps: uniformFan(keys[1], [width, W], { fanIn: W, ...place }) }),
        beta: linearInit(keys[2], C, H, plain),
      };
    },
    operands(p, x, past) {
      const all = linear(x, p.qkv);
      const qkv = p.taps ? past.filter(all, p.taps) : silu(all);
      const heads = (from: number, to: number): Tensor => splitHeads(qkv.slice(2, from * H, to * H), H);
      const k = unitLength(heads(K, 2 * K));
      const beta = expandDims(mul(sigmoid(linear(x, p.beta)), maxBeta), -1);
      return {
        q: mul(unitLength(heads(0, K)), K ** -0.5),
        k,
        v: mul(heads(2 * K, 2 * K + V), beta),
        read: mul(neg(beta), k),
      };
    },
    cost: {
      params: (C + W) * width + C * H,
      products: (C + W) * width + C * H,
      perPosition: H * (10 * K + 2 * V + 7),
    },
  });
}
