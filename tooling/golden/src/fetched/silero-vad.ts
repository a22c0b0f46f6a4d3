import { convFromTorch } from '@seq/conv';
import type { CausalConvParams } from '@seq/conv';
import type { NamedTensors } from '@seq/nn';
import { lstmCell, lstmCellFromTorch, lstmSequence } from '@seq/rnn';
import type { LstmState, LstmWeights } from '@seq/rnn';
import {
  concat,
  conv1d,
  flip,
  relu,
  reshape,
  scope,
  ShapeError,
  show,
  sigmoid,
  slice,
  square,
  sqrt,
  zeros,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/** New samples of a hop: 32 ms at 16 kHz. */
export const hop = 512;
/** Samples before a hop that are read again with it. */
export const context = 64;
/** The samples added behind a hop, mirrored, and half the length of a window of the transform. */
const mirrored = 64;
const windowShift = 128;
const bins = 129;
/** Strides of the four convolutions: 4 windows become one vector per hop. */
const strides = [1, 2, 2, 1];

/** Parameters of the speech detector. */
export interface SileroVadParams {
  /** weight [256, 1, 258]: cosines and sines of a windowed Fourier transform */
  readonly stft: CausalConvParams;
  /** weight [3, ·, ·]: 129 → 128 → 64 → 64 → 128 channels */
  readonly encoder: readonly CausalConvParams[];
  /** I = H = 128 */
  readonly cell: LstmWeights;
  /** weight [1, 128, 1], bias [1] */
  readonly decoder: CausalConvParams;
}

/** What a stream remembers between hops. */
export interface SileroVadState {
  /** [B, 64], the last samples */
  readonly context: Tensor;
  readonly lstm: LstmState;
}

/** Parameters from the tensors of Silero VAD for 16 kHz, by the names of its PyTorch module. */
export function sileroVadFromTorch(named: NamedTensors): SileroVadParams {
  return {
    stft: convFromTorch(named, 'stft_conv'),
    encoder: strides.map((_, l) => convFromTorch(named, `conv${l + 1}`)),
    cell: lstmCellFromTorch(named, 'lstm_cell.'),
    decoder: convFromTorch(named, 'final_conv'),
  };
}

/** Silence before the first hop, for B streams. */
export function sileroVadState(B: number): SileroVadState {
  return { context: zeros([B, context]), lstm: { h: zeros([B, 128]), c: zeros([B, 128]) } };
}

/**
 * The probability of speech in one hop.
 *
 * @param samples  [B, 512] in [−1, 1], 16 kHz
 * @param state    of `sileroVadState` or the hop before
 * @returns        [B] in (0, 1), and the next state
 */
export function sileroVadStep(
  params: SileroVadParams,
  samples: Tensor,
  state: SileroVadState,
): [probability: Tensor, state: SileroVadState] {
  return scope(() => {
    const heard = concat([state.context, samples], 1);
    const next = lstmCell(encode(params, heard), state.lstm, params.cell);
    const B = samples.shape[0];
    return [decode(params, next.h.expandDims(1)).reshape([B]), { context: slice(heard, 1, hop), lstm: next }];
  });
}

/**
 * The probabilities of all hops at once: every hop is encoded by itself, the LSTM runs over their vectors.
 *
 * @param samples  [B, 512·T]
 * @returns        [B, T], and the state behind the last hop
 * @throws ShapeError  samples that are no whole hops
 */
export function sileroVad(
  params: SileroVadParams,
  samples: Tensor,
  state: SileroVadState,
): [probabilities: Tensor, state: SileroVadState] {
  const [B, length] = samples.shape;
  if (samples.ndim !== 2 || length % hop !== 0 || length === 0)
    throw new ShapeError(
      `sileroVad: samples must be [B, 512·T] with T ≥ 1, got ${show(samples.shape)}. Cut off the rest.`,
    );
  const T = length / hop;
  return scope(() => {
    const all = concat([state.context, samples], 1);
    const hops = reshape(samples, [B, T, hop]);
    const before = concat(
      [state.context.expandDims(1), slice(slice(hops, 1, 0, T - 1), 2, hop - context)],
      1,
    );
    const heard = reshape(concat([before, hops], 2), [B * T, context + hop]);
    const features = reshape(encode(params, heard), [B, T, 128]);
    const { h, c } = state.lstm;
    const [y, lstm] = lstmSequence(features, params.cell, { h0: h, c0: c });
    return [decode(params, y), { context: slice(all, 1, length), lstm }];
  });
}

/** One vector per hop: magnitudes of 4 windows, then four convolutions over them. [N, 576] → [N, 128] */
function encode({ stft, encoder }: SileroVadParams, heard: Tensor): Tensor {
  const end = heard.shape[1] - 1;
  const mirror = flip(slice(heard, 1, end - mirrored, end), 1); // without the last sample itself
  const padded = concat([heard, mirror], 1).expandDims(2);
  const spectrum = conv1d(padded, stft.weight, { stride: windowShift, padding: 'valid' }); // [N, 4, 258]
  const [real, imaginary] = [slice(spectrum, 2, 0, bins), slice(spectrum, 2, bins)];
  let x = sqrt(square(real).add(square(imaginary)));
  encoder.forEach(({ weight, bias }, l) => {
    const y = conv1d(x, weight, { stride: strides[l], padding: [1, 1] });
    x = relu(bias ? y.add(bias) : y);
  });
  return x.squeeze(1);
}

/** [B, T, 128] → [B, T] */
function decode({ decoder: { weight, bias } }: SileroVadParams, h: Tensor): Tensor {
  const logit = conv1d(relu(h), weight, { padding: 'valid' });
  return sigmoid(bias ? logit.add(bias) : logit).squeeze(2);
}
