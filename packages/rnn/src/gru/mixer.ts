import { OptionError, split, uniform, zeros } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalMixer, CostAt, LinearParams, RunOptions } from '@seq/nn';
import { gruSequence } from './op.js';
import type { GruWeights } from './op.js';

/** Options of the `gru` mixer. */
export interface GruOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** Units H of the state. Default `dModel`; any other width adds an output projection. */
  readonly hiddenDim?: number;
  /** Whether the gates and the projection have biases. Default true. */
  readonly bias?: boolean;
}

/** Parameters of the `gru` mixer. */
export interface GruParams extends GruWeights {
  /** [C, H], with bias [C]; there when H ≠ C. */
  readonly out?: LinearParams;
}

/** State of the `gru` mixer. */
export interface GruMixerState {
  /** [B, H] */
  readonly h: Tensor;
}

/**
 * Gated recurrent unit as a mixer: the state is a vector that each position partly rewrites.
 *
 *   r, z = σ(…)   n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))   h ← (1 − z) ∘ n + z ∘ h   y = h, or W_out h + b_out
 *
 * `init` draws all weights from U(±1/√H), as PyTorch does. The train form runs T dependent steps inside one op.
 *
 * @throws OptionError  hiddenDim that is not a positive integer
 * @see Cho et al. 2014, arXiv:1406.1078; formulas at `gruSequence`
 */
export function gru({
  dModel,
  hiddenDim = dModel,
  bias = true,
}: GruOptions): CausalMixer<GruParams, GruMixerState> {
  if (!Number.isInteger(hiddenDim) || hiddenDim < 1)
    throw new OptionError(
      `gru: hiddenDim must be a positive integer, got ${hiddenDim}. Leave it out for dModel = ${dModel}.`,
    );
  const [C, H] = [dModel, hiddenDim];
  const projected = H !== C;
  const output = (h: Tensor, { out }: GruParams): Tensor => (out ? linear(h, out) : h);

  const run = (
    params: GruParams,
    x: Tensor,
    h0: Tensor | undefined,
    o: RunOptions = {},
  ): [Tensor, GruMixerState] => {
    const { lengths, resets } = o;
    const [y, h] = gruSequence(x, params, {
      ...(h0 && { h0 }),
      ...(lengths && { lengths }),
      ...(resets && { resets }),
    });
    return [output(y, params), { h }];
  };

  return defineMixer({
    spec: { kind: 'seq/gru', dModel: C, options: { hiddenDim, bias } },
    serial: true,
    honours: ['lengths', 'resets'],
    init(key: Key, o: TensorOptions = {}): GruParams {
      const keys = split(key, 5);
      const bound = 1 / Math.sqrt(H);
      const draw = (k: Key, shape: number[]): Tensor => uniform(k, shape, { low: -bound, high: bound, ...o });
      return {
        weightIh: draw(keys[0], [3 * H, C]),
        weightHh: draw(keys[1], [3 * H, H]),
        ...(bias && { biasIh: draw(keys[2], [3 * H]), biasHh: draw(keys[3], [3 * H]) }),
        ...(projected && { out: linearInit(keys[4], H, C, { bias, ...o }) }),
      };
    },
    initState: (B, o) => ({ h: zeros([B, H], o) }),
    forward: (params, x, o) => run(params, x, undefined, o)[0],
    prefill: (params, x, { h }, o) => run(params, x, h, o),
    step(params, x, { h }) {
      const [y, next] = run(params, x.expandDims(1), h);
      return [y.squeeze(1), next];
    },
    cost({ B, T }: CostAt) {
      const outFlops = projected ? 2 * H * C : 0;
      const matmulFlops = B * T * (2 * 3 * H * (C + H) + outFlops);
      const elementwise = 10 * H + (bias ? 6 * H : 0) + (projected && bias ? C : 0);
      return {
        params: 3 * H * (C + H) + (bias ? 6 * H : 0) + (projected ? C * H + (bias ? C : 0) : 0),
        matmulFlops,
        flops: matmulFlops + B * T * elementwise,
        stateFloats: B * H,
      };
    },
  });
}
