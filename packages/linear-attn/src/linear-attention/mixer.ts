import { mul, OptionError, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { linear, linearInit, uniformFan } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { checkFilter, defineMatrixMixer, headsOf, splitHeads } from '../internal/matrix-mixer.js';
import type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
import {
  eluPlusOne,
  expFeatures,
  favorKeys,
  favorQueries,
  half,
  orthogonalDraw,
  reluFeatures,
  taylorFeatures,
} from './feature-maps.js';
import { linearAttend } from './op.js';

/** Options of the `linearAttention` mixer. */
export interface LinearAttentionOptions extends HeadOptions {
  /** φ; `taylor` (second order) and `favor` approach softmax attention. Default 'elu1'. */
  readonly featureMap?: 'elu1' | 'relu' | 'exp' | 'taylor' | 'favor';
  /** M, random features of 'favor'. Default 2K. */
  readonly numFeatures?: number;
  /** True: readings are divided by the sum of their weights. False: a norm per head in its stead. Default true. */
  readonly normalize?: boolean;
  /** W, taps of the short filter in front of queries, keys and values, without which order counts for nothing; 0 for none. Default 4. */
  readonly convWidth?: number;
}

/** Parameters of the `linearAttention` mixer. */
export interface LinearAttentionParams extends ReadoutParams {
  /** weight [H (2K + V), C], rows q heads, k heads, v heads */
  readonly qkv: LinearParams;
  /** [H (2K + V), W] the last tap multiplies the newest input; absent for W = 0 */
  readonly taps?: Tensor;
  /** [M, K] the draw of 'favor', which belongs to the weights: other features are another model */
  readonly draw?: Tensor;
}

/** What the sum of positive features is never below. */
const tiny = 1e-30;

/**
 * Causal linear attention as a mixer: a matrix per head to which every position adds, and that never forgets.
 *
 *   q, k, v = silu(w ∗ W x)    S ← S + φ(k) vᵀ    z ← z + φ(k)    y = W_out (Sᵀ φ(q) / z · φ(q))
 *
 * The state holds z as the last column of S: [B, H, M, V + 1]. 'taylor' and 'favor' see q and k scaled by K^{−1/4},
 * so that φ(q) · φ(k) is near e^{q · k/√K}.
 *
 * @throws OptionError  sizes that are no positive integers, an unknown feature map, numFeatures without 'favor'
 * @see Katharopoulos et al. 2020, arXiv:2006.16236; formulas at `linearAttend`
 */
export function linearAttention({
  featureMap = 'elu1',
  numFeatures,
  normalize = true,
  convWidth: W = 4,
  ...o
}: LinearAttentionOptions): CausalMixer<LinearAttentionParams, MatrixState> {
  const heads = headsOf('linearAttention', o);
  const { H, K, V } = heads;
  const C = o.dModel;
  const width = H * (2 * K + V);
  checkFilter('linearAttention', W);
  const favor = featureMap === 'favor';
  if (!['elu1', 'relu', 'exp', 'taylor', 'favor'].includes(featureMap))
    throw new OptionError(
      `linearAttention: featureMap must be 'elu1', 'relu', 'exp', 'taylor' or 'favor', got '${featureMap}'.`,
    );
  if (numFeatures !== undefined && (!favor || !Number.isInteger(numFeatures) || numFeatures < 1))
    throw new OptionError(
      `linearAttention: numFeatures must be a positive integer and is for 'favor' alone, got ${numFeatures} with '${featureMap}'.`,
    );
  const R = numFeatures ?? 2 * K;
  const M = favor ? R : featureMap === 'taylor' ? 1 + K + (K * (K + 1)) / 2 : K;

  const features = ({ draw }: LinearAttentionParams, q: Tensor, k: Tensor): [Tensor, Tensor] => {
    if (featureMap === 'elu1') return [eluPlusOne(q), eluPlusOne(k)];
    if (featureMap === 'relu') return [reluFeatures(q), reluFeatures(k)];
    if (featureMap === 'exp') return [expFeatures(q), expFeatures(k)];
    const [a, b] = [mul(q, K ** -0.25), mul(k, K ** -0.25)];
    if (featureMap === 'taylor') return [taylorFeatures(a), taylorFeatures(b)];
    if (!draw) throw new OptionError("linearAttention: featureMap 'favor' needs params.draw, got none.");
    const size = half(draw);
    return [favorQueries(a, draw, size), favorKeys(b, draw, size)];
  };

  const ofFeatures = {
    elu1: 4 * K,
    relu: 2 * K,
    exp: 2 * K,
    taylor: 2 * K * (K + 2),
    favor: 4 * K + 7 * M + 1,
  };
  return defineMatrixMixer<LinearAttentionParams>({
    kind: 'seq/linear-attention',
    dModel: C,
    heads,
    options: { convWidth: W, featureMap, normalize, ...(favor && { numFeatures: M }) },
    noDecay: favor ? ['draw'] : [],
    gated: false,
    ...(normalize && { normed: false }),
    convWidth: W,
    terms: { decay: 'none', erase: 'none' },
    memory: {
      K: M,
      V: normalize ? V + 1 : V,
      scan: ({ q, k, v }, how) => linearAttend(q, k, v, { ...how, normalize, ...(favor && { eps: tiny }) }),
    },
    init(key: Key, place: TensorOptions) {
      const keys = split(key, 3);
      return {
        qkv: linearInit(keys[0], C, width, { bias: false, ...place }),
        ...(W > 0 && { taps: uniformFan(keys[1], [width, W], { fanIn: W, ...place }) }),
        ...(favor && { draw: orthogonalDraw(keys[2], M, K, place) }),
      };
    },
    operands(p, x, past) {
      const all = linear(x, p.qkv);
      const qkv = p.taps ? past.filter(all, p.taps) : all;
      const part = (from: number, to: number): Tensor => splitHeads(qkv.slice(2, from * H, to * H), H);
      const [q, k] = features(p, part(0, K), part(K, 2 * K));
      return { q, k, v: part(2 * K, 2 * K + V) };
    },
    cost: {
      params: (C + W) * width + (favor ? M * K : 0),
      products: (C + W) * width + (favor ? 2 * H * M * K : 0),
      perPosition: H * ofFeatures[featureMap] + (W > 0 ? width : 0) + (normalize ? H * (V + 1) : 0),
      once: () => (favor ? 2 * M * K + M : 0),
    },
  });
}
