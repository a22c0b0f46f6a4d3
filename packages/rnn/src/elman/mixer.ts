import { eye, OptionError, zerosLike } from '@seq/tensor';
import type { CausalMixer } from '@seq/nn';
import { hiddenMixer } from '../internal/plain-mixer.js';
import type { HiddenParams, HiddenState } from '../internal/plain-mixer.js';
import { checkNonlinearity, elmanSequence } from './op.js';
import type { ElmanNonlinearity } from './cpu.js';

/** Options of the `elman` mixer. */
export interface ElmanOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** Units H of the state. Default `dModel`; any other width adds an output projection. */
  readonly hiddenDim?: number;
  /** f of the recurrence; 'identity' makes it linear. Default 'tanh'. */
  readonly nonlinearity?: ElmanNonlinearity;
  /** Whether the layer and the projection have biases. Default true. */
  readonly bias?: boolean;
  /** `init` sets W_hh = I and the layer's biases to 0, which with relu is the IRNN. Default false. */
  readonly identityInit?: boolean;
}

/** Parameters of the `elman` mixer: weightIh [H, C], weightHh [H, H], biases [H], and `out` when H ≠ C. */
export type ElmanParams = HiddenParams;

/** State of the `elman` mixer: h [B, H]. */
export type ElmanMixerState = HiddenState;

/**
 * Elman's recurrent network as a mixer: every position rewrites the whole state.
 *
 *   h ← f(W_ih x + b_ih + W_hh h + b_hh)     f = tanh, relu, σ or nothing     y = h, or W_out h + b_out
 *
 * `init` draws all weights from U(±1/√H), as PyTorch does; `identityInit` then replaces W_hh by the identity
 * and the layer's biases by 0. The train form runs T dependent steps inside one op.
 *
 * @throws OptionError  hiddenDim that is not a positive integer, an unknown nonlinearity,
 *                      identityInit that is not a boolean
 * @see Elman 1990; IRNN: Le, Jaitly and Hinton 2015, arXiv:1504.00941, section 2; formula at `elmanSequence`
 */
export function elman({
  dModel,
  hiddenDim = dModel,
  nonlinearity = 'tanh',
  bias = true,
  identityInit = false,
}: ElmanOptions): CausalMixer<ElmanParams, ElmanMixerState> {
  checkNonlinearity('elman', nonlinearity);
  if (typeof identityInit !== 'boolean')
    throw new OptionError(
      `elman: identityInit must be true or false, got ${String(identityInit)}. Leave it out for U(±1/√H).`,
    );
  return hiddenMixer({
    kind: 'seq/elman',
    dModel,
    hiddenDim,
    bias,
    options: { nonlinearity, identityInit },
    gates: 1,
    sequence: (x, weights, o) => elmanSequence(x, weights, { ...o, nonlinearity }),
    elementwise: { perPosition: (bias ? 3 : 2) * hiddenDim, once: bias ? hiddenDim : 0 },
    ...(identityInit && {
      initialize: (drawn, o) => ({
        ...drawn,
        weightHh: eye(hiddenDim, o),
        ...(drawn.biasIh && { biasIh: zerosLike(drawn.biasIh) }),
        ...(drawn.biasHh && { biasHh: zerosLike(drawn.biasHh) }),
      }),
    }),
  });
}
