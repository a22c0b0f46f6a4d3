import { dropout, linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { ones, OptionError, relu, split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import type { CausalConvParams } from '../internal/causal-conv.js';
import { convInit } from '../internal/init.js';
import { checkDilations, checkSizes, defineWindowMixer } from '../internal/window-mixer.js';
import type { WindowState } from '../internal/window-mixer.js';
import { weightNorm } from './op.js';

/** Options of `tcn`. */
export interface TcnOptions {
  readonly dModel: number;
  /** H, channels inside; dModel unless told otherwise. */
  readonly hidden?: number;
  /** W, taps of each convolution */
  readonly convWidth?: number;
  /** δ of each block; as many blocks as there are entries. */
  readonly dilations?: readonly number[];
  /** Weights by direction and length. */
  readonly weightNorm?: boolean;
  /** Rate at which whole channels are dropped after each convolution; acts when a run has a `key`. */
  readonly dropout?: number;
}

/** One convolution of a block. */
export type TcnConv = {
  /** [W, I, H]; with `gain` its direction only */
  weight: Tensor;
  /** [H], length of the weights of each channel */
  gain?: Tensor;
  /** [H] */
  bias: Tensor;
};

/** One residual block. */
export type TcnBlock = {
  first: TcnConv;
  second: TcnConv;
  /** weight [H, C], bias [H]: the way around, where the widths differ */
  skip?: LinearParams;
};

/** Parameters of `tcn`. */
export type TcnParams = {
  blocks: TcnBlock[];
  /** weight [C, H], bias [C], where H ≠ C */
  out?: LinearParams;
};

/** State of `tcn`: `inputs`, two for each block, [B, (W − 1)δ, C or H]. */
export type TcnState = WindowState;

/**
 * The temporal convolutional network: residual blocks of two dilated causal convolutions.
 *
 *   a_t = d(relu(b₁ + Σ_{j<W} w_{1,W−1−j} h_{t−jδ}))
 *   c_t = d(relu(b₂ + Σ_{j<W} w_{2,W−1−j} a_{t−jδ}))
 *   h'_t = relu(c_t + P h_t),   P = 1 where the widths agree
 *
 * d drops whole channels over all positions of a run (spatial dropout); the same key drops the same ones.
 * `reach` is 1 + 2 Σ (W − 1)δ.
 *
 * @throws OptionError  sizes that are no positive integers, a dropout outside 0 … 1
 * @see Bai, Kolter and Koltun 2018, arXiv:1803.01271, section 3 and figure 1b
 */
export function tcn({
  dModel: C,
  hidden: H = C,
  convWidth: W = 2,
  dilations = [1, 2, 4, 8],
  weightNorm: normed = true,
  dropout: rate = 0,
}: TcnOptions): CausalMixer<TcnParams, TcnState> {
  checkDilations('tcn', dilations);
  checkSizes('tcn', { hidden: H, convWidth: W });
  if (!(rate >= 0 && rate <= 1)) throw new OptionError(`tcn: dropout must be within 0 … 1, got ${rate}.`);

  const widths = dilations.map((_, l) => (l === 0 ? C : H)); // what comes into each block

  const newConv = (key: Key, I: number, o?: TensorOptions): TcnConv => {
    const { weight, bias } = convInit(key, [W, I, H], o);
    return normed ? { weight, gain: weight.square().sum([0, 1]).sqrt(), bias } : { weight, bias };
  };
  const weights = ({ weight, gain, bias }: TcnConv): CausalConvParams => ({
    weight: gain ? weightNorm(weight, gain) : weight,
    bias,
  });

  return defineWindowMixer<TcnParams>({
    spec: {
      kind: 'seq/tcn',
      dModel: C,
      options: { hidden: H, convWidth: W, dilations: [...dilations], weightNorm: normed, dropout: rate },
    },
    convs: dilations.flatMap((dilation, l) => [
      { channels: widths[l], convWidth: W, dilation },
      { channels: H, convWidth: W, dilation },
    ]),
    init(key, o) {
      const keys = split(key, dilations.length + 1);
      const blocks = widths.map((I, l) => {
        const [first, second, third] = split(keys[l], 3);
        return {
          first: newConv(first, I, o),
          second: newConv(second, H, o),
          ...(I !== H && { skip: linearInit(third, I, H, o) }),
        };
      });
      return H === C ? { blocks } : { blocks, out: linearInit(keys[dilations.length], H, C, o) };
    },
    run({ blocks, out }, x, conv, key) {
      const keys = key && rate > 0 ? split(key, 2 * blocks.length) : [];
      const drop = (h: Tensor, i: number): Tensor => {
        if (keys.length === 0) return h;
        return h.mul(dropout(ones([h.shape[0], 1, H], { device: h.device, dtype: h.dtype }), rate, keys[i]));
      };
      const h = blocks.reduce((input, { first, second, skip }, l) => {
        const a = drop(relu(conv(input, weights(first))), 2 * l);
        const c = drop(relu(conv(a, weights(second))), 2 * l + 1);
        return relu(c.add(skip ? linear(input, skip) : input));
      }, x);
      return out ? linear(h, out) : h;
    },
    cost({ B, T }) {
      const N = B * T;
      let [params, matmulFlops, extra] = [0, 0, 0];
      for (const I of widths) {
        const size = W * (I + H) * H; // weights of both convolutions
        params += size + (normed ? 4 : 2) * H;
        matmulFlops += 2 * N * size;
        extra += 6 * N * H + (normed ? 3 * size + 4 * H : 0); // bias and relu twice, sum, relu
        if (I === H) continue;
        params += I * H + H;
        matmulFlops += 2 * N * I * H;
        extra += N * H;
      }
      if (H !== C) {
        params += H * C + C;
        matmulFlops += 2 * N * H * C;
        extra += N * C;
      }
      return { params, matmulFlops, flops: matmulFlops + extra };
    },
  });
}
