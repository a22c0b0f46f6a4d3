import { exp, expandDims, log, mul, neg, sigmoid, silu, softplus, split, uniform } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { linear, linearInit, uniformFan } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { checkFilter, defineMatrixMixer, headsOf, splitHeads } from '../internal/matrix-mixer.js';
import type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
import { unitLength } from '../internal/normalise.js';

/** Options of the `gatedDeltaRule` mixer. */
export interface GatedDeltaRuleOptions extends HeadOptions {
  /** The largest rate, 1 or 2; with 2 the memory can turn signs. Default 1. */
  readonly maxBeta?: number;
  /** W, taps of the short filter in front of queries, keys and values; 0 for none. Default 4. */
  readonly convWidth?: number;
}

/** Parameters of the `gatedDeltaRule` mixer. */
export interface GatedDeltaRuleParams extends ReadoutParams {
  /** weight [H (2K + V), C], rows q heads, k heads, v heads */
  readonly qkv: LinearParams;
  /** [H (2K + V), W] the last tap multiplies the newest input; absent for W = 0 */
  readonly taps?: Tensor;
  /** weight [H, C] */
  readonly beta: LinearParams;
  /** weight [H, C], bias [H]: Δ before softplus */
  readonly decay: LinearParams;
  /** [H] log of the rate that Δ is multiplied with */
  readonly logRate: Tensor;
}

/**
 * Gated DeltaNet as a mixer: a matrix per head that fades, and in which a position replaces what its key points to.
 *
 *   g = −e^{logRate} softplus(W_Δ x + b)    q, k = unit(silu(w ∗ W x))    v = silu(w ∗ W_v x)    β = maxBeta σ(W_β x)
 *   S ← e^g (I − β k kᵀ) S + β k vᵀ         y = W_out (rmsNorm(Sᵀ q/√K) ∘ silu(W_z x))
 *
 * `init` draws the rate from U(0, 16) and b so that Δ lies log-uniformly between 0.001 and 0.1.
 *
 * @throws OptionError  sizes that are no positive integers
 * @see Yang, Kautz and Hatamizadeh 2024, arXiv:2412.06464, section 3.4
 */
export function gatedDeltaRule({
  maxBeta = 1,
  convWidth: W = 4,
  ...o
}: GatedDeltaRuleOptions): CausalMixer<GatedDeltaRuleParams, MatrixState> {
  const heads = headsOf('gatedDeltaRule', o);
  const { H, K, V } = heads;
  const C = o.dModel;
  const width = H * (2 * K + V);
  checkFilter('gatedDeltaRule', W);
  return defineMatrixMixer<GatedDeltaRuleParams>({
    kind: 'seq/gated-delta-rule',
    dModel: C,
    heads,
    options: { maxBeta, convWidth: W },
    convWidth: W,
    noDecay: ['logRate'],
    gated: true,
    terms: { decay: 'head', erase: 'own' },
    init(key: Key, place: TensorOptions) {
      const keys = split(key, 6);
      const plain = { bias: false, ...place };
      const delta = exp(uniform(keys[4], [H], { low: Math.log(1e-3), high: Math.log(0.1), ...place }));
      return {
        qkv: linearInit(keys[0], C, width, plain),
        ...(W > 0 && { taps: uniformFan(keys[1], [width, W], { fanIn: W, ...place }) }),
        beta: linearInit(keys[2], C, H, plain),
        // The bias is softplus⁻¹(Δ) = log(e^Δ − 1).
        decay: { ...linearInit(keys[3], C, H, plain), bias: log(delta.expm1()) },
        logRate: log(uniform(keys[5], [H], { low: 1e-3, high: 16, ...place })),
      };
    },
    operands(p, x, past) {
      const all = linear(x, p.qkv);
      const qkv = p.taps ? past.filter(all, p.taps) : silu(all);
      const heads = (from: number, to: number): Tensor => splitHeads(qkv.slice(2, from * H, to * H), H);
      const k = unitLength(heads(K, 2 * K));
      const beta = mul(sigmoid(linear(x, p.beta)), maxBeta);
      const g = mul(softplus(linear(x, p.decay)), neg(exp(p.logRate)));
      return {
        q: mul(unitLength(heads(0, K)), K ** -0.5),
        k,
        v: mul(heads(2 * K, 2 * K + V), expandDims(beta, -1)),
        logDecay: g,
        read: mul(expandDims(neg(mul(beta, exp(g))), -1), k),
      };
    },
    cost: {
      params: (C + W) * width + 2 * C * H + 2 * H,
      products: (C + W) * width + 2 * C * H,
      perPosition: H * (10 * K + 2 * V + 12),
      once: () => 2 * H,
    },
  });
}
