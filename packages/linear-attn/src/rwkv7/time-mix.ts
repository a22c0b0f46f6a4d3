import {
  add,
  maximum,
  mul,
  reshape,
  rsqrt,
  scope,
  sigmoid,
  square,
  sub,
  sum,
  tanh,
  zeros,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerNorm, linear } from '@seq/nn';
import type { LinearParams, RunOptions } from '@seq/nn';
import { lookBack } from '../internal/look-back.js';
import { splitHeads, withoutPadding } from '../internal/matrix-mixer.js';
import { dplrScan } from './op.js';

/** A map of low rank: up(f(down(x))). */
export interface LowRankParams {
  /** weight [R, C] */
  readonly down: LinearParams;
  /** weight [C, R], bias [C] where there is one */
  readonly up: LinearParams;
}

/** Parameters of `rwkv7TimeMix`. The paper's names stand in brackets. */
export interface Rwkv7TimeMixParams {
  /** [C] each: how far r, w, k, v, a, g look at the position before [x_r … x_g] */
  readonly shift: Readonly<Record<'r' | 'w' | 'k' | 'v' | 'a' | 'g', Tensor>>;
  /** weight [C, C] */
  readonly r: LinearParams;
  /** weight [C, C] */
  readonly k: LinearParams;
  /** weight [C, C] */
  readonly v: LinearParams;
  /** w before −c σ(·) [w1, w2, w0] */
  readonly decay: LowRankParams;
  /** a before σ [a1, a2, a0] */
  readonly erase: LowRankParams;
  /** g, without bias [g1, g2] */
  readonly gate: LowRankParams;
  /** how much of the first layer's values is taken; absent in the first layer [v1, v2, v0] */
  readonly first?: LowRankParams;
  /** [C] what of k is erased [k_k] */
  readonly erasedKey: Tensor;
  /** [C] how much a scales k [k_a] */
  readonly scaledKey: Tensor;
  /** [C] what of k is read at once [r_k] */
  readonly bonus: Tensor;
  /** weight [C], bias [C], per head [ln_x] */
  readonly norm: { readonly weight: Tensor; readonly bias: Tensor };
  /** weight [C, C] */
  readonly out: LinearParams;
}

/** State of `rwkv7TimeMix`. */
export interface Rwkv7TimeMixState {
  /** [B, 1, C] the input of the position before */
  readonly before: Tensor;
  /** [B, H, K, K] keys first */
  readonly S: Tensor;
}

/** Options of `rwkv7TimeMix`. */
export interface Rwkv7TimeMixOptions extends Pick<RunOptions, 'lengths' | 'resets'> {
  /** H */
  readonly numHeads: number;
  /** zero if absent */
  readonly state?: Rwkv7TimeMixState;
  /** [B, T, C] values of the first layer; absent in the first layer */
  readonly firstValues?: Tensor;
  /** c, the largest log-decay. Default e^{−1/2}; the authors' torch code rounds it to 0.606531. */
  readonly decayScale?: number;
  /** What the norm of a head adds to the variance. Default 64e-5. */
  readonly normEps?: number;
  /** L, positions between two states that are kept for the gradient. Default 64. */
  readonly chunkSize?: number;
}

/**
 * The time mix of RWKV-7. With x' the input before and m_* the vectors of `shift`, x_* = x + m_* ∘ (x' − x):
 *
 *   w = −c σ(w₀ + W₂ tanh(W₁ x_w))    a = σ(a₀ + A₂ A₁ x_a)    g = G₂ σ(G₁ x_g)
 *   k = W_k x_k    κ = unit(k ∘ k_k)    k̃ = k ∘ (1 + (a − 1) ∘ k_a)
 *   v = W_v x_v, from the second layer on  v + σ(v₀ + V₂ V₁ x_v) ∘ (v_first − v)
 *   S ← (diag(e^w) − (κ ∘ a) κᵀ) S + k̃ vᵀ
 *   y = W_o (g ∘ (norm(Sᵀ r) + (Σ r ∘ k̃ ∘ r_k) v))     per head, r = W_r x_r
 *
 * @param params   see `Rwkv7TimeMixParams`
 * @param x        [B, T, C]
 * @param options  numHeads, state, firstValues [B, T, C], lengths [B], resets [B, T]
 * @returns        y [B, T, C], the state after the last position, and values [B, T, C]: those of this layer, which
 *                 those above it want when it is the first
 * @throws ShapeError  tensors that do not fit together
 * @see Peng et al. 2025, arXiv:2503.14456, eq. 3–20
 */
export function rwkv7TimeMix(
  params: Rwkv7TimeMixParams,
  x: Tensor,
  {
    numHeads: H,
    state,
    firstValues,
    decayScale = Math.exp(-0.5),
    normEps = 64e-5,
    chunkSize = 64,
    lengths,
    resets,
  }: Rwkv7TimeMixOptions,
): { y: Tensor; state: Rwkv7TimeMixState; values: Tensor } {
  const [B, T, C] = x.shape;
  return scope(() => {
    const like = { dtype: x.dtype, device: x.device };
    const masks = { ...(lengths && { lengths }), ...(resets && { resets }) };
    const window = lookBack(x, state?.before ?? zeros([B, 1, C], like), masks);
    const change = sub(window.ago(1), x);
    const mixed = (m: Tensor): Tensor => add(x, mul(change, m));
    const { shift } = params;

    const xv = mixed(shift.v);
    const r = linear(mixed(shift.r), params.r);
    const k = linear(mixed(shift.k), params.k);
    const own = linear(xv, params.v);
    const w = mul(sigmoid(lowRank(mixed(shift.w), params.decay, tanh)), -decayScale);
    const a = sigmoid(lowRank(mixed(shift.a), params.erase));
    const gate = lowRank(mixed(shift.g), params.gate, sigmoid);
    const v =
      params.first && firstValues
        ? add(own, mul(sub(firstValues, own), sigmoid(lowRank(xv, params.first))))
        : own;

    const heads = (t: Tensor): Tensor => splitHeads(t, H);
    const kappa = unit(heads(mul(k, params.erasedKey)));
    const written = mul(k, add(mul(sub(a, 1), params.scaledKey), 1));
    const memory = withoutPadding(
      { q: heads(r), k: heads(written), v: heads(v), logDecay: heads(w), read: mul(kappa, -1) },
      lengths,
    );
    const [o, S] = dplrScan(
      { ...memory, g: memory.logDecay!, alpha: memory.read!, beta: mul(kappa, heads(a)) },
      { scale: 1, chunkSize, ...(state && { initial: state.S }), ...(resets && { resets }) },
    );
    const normed = reshape(layerNorm(o, {}, { eps: normEps }), [B, T, C]);
    const bonus = sum(mul(mul(heads(r), heads(written)), heads(params.bonus.reshape([1, 1, C]))), -1, {
      keepDims: true,
    });
    const read = add(
      add(mul(normed, params.norm.weight), params.norm.bias),
      reshape(mul(bonus, heads(v)), [B, T, C]),
    );
    return { y: linear(mul(read, gate), params.out), state: { before: window.next, S }, values: v };
  });
}

function lowRank(x: Tensor, { down, up }: LowRankParams, f: (h: Tensor) => Tensor = (h) => h): Tensor {
  return linear(f(linear(x, down)), up);
}

/** x / max(‖x‖, 1e-12) over the last axis. */
function unit(x: Tensor): Tensor {
  return mul(x, rsqrt(maximum(sum(square(x), -1, { keepDims: true }), 1e-24)));
}
