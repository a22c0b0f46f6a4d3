import type { CausalMixer, LinearParams } from '@seq/nn';
import type { Tensor } from '@seq/tensor';
import { hiddenMixer } from '../internal/plain-mixer.js';
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
  /** Whether the reset gate acts after the recurrent product or, as in the paper, before it. Default true. */
  readonly resetAfter?: boolean;
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
 *   r, z = σ(…)   n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))   (resetAfter: false: … + W_hn (r ∘ h) + b_hn)
 *   h ← (1 − z) ∘ n + z ∘ h   y = h, or W_out h + b_out
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
  resetAfter = true,
}: GruOptions): CausalMixer<GruParams, GruMixerState> {
  const biases = bias ? 3 * hiddenDim : 0;
  return hiddenMixer({
    kind: 'seq/gru',
    dModel,
    hiddenDim,
    bias,
    options: { resetAfter },
    gates: 3,
    sequence: (x, weights, o) => gruSequence(x, weights, { ...o, resetAfter }),
    elementwise: resetAfter
      ? { perPosition: 10 * hiddenDim + 2 * biases, once: 0 }
      : { perPosition: 10 * hiddenDim + biases, once: biases },
  });
}
