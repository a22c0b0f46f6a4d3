import {
  arange,
  cast,
  clip,
  concat,
  conv1d,
  cumsum,
  eq,
  lt,
  matmul,
  OptionError,
  scope,
  ShapeError,
  show,
  sliceAt,
  where,
  zeros,
} from '@seq/tensor';
import type { Tensor, TensorOptions } from '@seq/tensor';

/** Parameters of a causal convolution; index W − 1 multiplies the newest input. PyTorch's `[O, I, W]` is this, transposed by `[2, 1, 0]`. */
export type CausalConvParams = {
  /** [W, I/groups, O] */
  weight: Tensor;
  /** [O] */
  bias?: Tensor;
};

/** Options of `causalConv`. */
export interface CausalConvOptions {
  /** δ, distance between taps */
  readonly dilation?: number;
  /** Channels see their own group only; `groups = I` is depthwise. */
  readonly groups?: number;
  /** [B, (W−1)δ, I]  inputs before x, oldest first; zeros if absent */
  readonly state?: Tensor;
  /** [B] i32: inputs that count in each row, as far as the new state is concerned */
  readonly lengths?: Tensor;
  /** [B, T] bool: inputs before this position are unseen from here on */
  readonly resets?: Tensor;
}

/**
 * Causal convolution with dilation and a carried past.
 *
 *   y_t = b + Σ_{j=0}^{W−1} w_{W−1−j} x_{t−jδ}
 *
 * The state is the last (W − 1)δ inputs; any T ≥ 0 is legal, also T < (W − 1)δ.
 * Cost: 2 B T W O I/groups matmul flops, B T O more for the bias.
 *
 * @param x       [B, T, I]
 * @param params  weight [W, I/groups, O], bias [O] if any
 * @returns       y [B, T, O] and the state after the last position [B, (W − 1)δ, I]
 * @throws ShapeError   tensors that do not fit; OptionError  a dilation or groups that do not
 * @see van den Oord et al. 2016, arXiv:1609.03499, section 2.1 (dilated causal convolution)
 */
export function causalConv(
  x: Tensor,
  params: CausalConvParams,
  o: CausalConvOptions = {},
): [y: Tensor, state: Tensor] {
  return scope(() => {
    const y = convolve(x, params, o);
    const { dilation = 1, state, lengths, resets } = o;
    const [B, T, I] = x.shape;
    const span = (params.weight.shape[0] - 1) * dilation;
    const past = state ?? zeros([B, span, I], { device: x.device, dtype: x.dtype });
    if (!lengths && !resets) return [y, lastInputs(past, x)];
    const documents = resets && documentsOf(resets, span);
    return [y, keptInputs(concat([past, x], 1), documents, { span, T, lengths })];
  });
}

/** The output of `causalConv` without the new state. */
export function convolve(x: Tensor, params: CausalConvParams, o: CausalConvOptions = {}): Tensor {
  const { dilation = 1, groups = 1, state, resets } = o;
  const span = checkConv(x, params, dilation, groups, state);
  const { weight, bias } = params;
  const [B, T, I] = x.shape;
  return scope(() => {
    let y: Tensor;
    if (resets) {
      const past = state ?? zeros([B, span, I], { device: x.device, dtype: x.dtype });
      y = convWithin(concat([past, x], 1), documentsOf(resets, span), weight, { dilation, groups, T });
    } else if (state) {
      y = conv1d(concat([state, x], 1), weight, { dilation, groups, padding: 'valid' });
    } else {
      y = conv1d(x, weight, { dilation, groups, padding: 'causal' });
    }
    return bias ? y.add(bias) : y;
  });
}

/** The state of `causalConv` before the first input: zeros [B, (W − 1)δ, I]. */
export function causalConvState(
  B: number,
  I: number,
  { convWidth: W, dilation = 1 }: { readonly convWidth: number; readonly dilation?: number },
  o: TensorOptions = {},
): Tensor {
  return zeros([B, (W - 1) * dilation, I], o);
}

/** The last inputs, as many as `past` has, in memory of their own. */
function lastInputs(past: Tensor, x: Tensor): Tensor {
  const [span, T] = [past.shape[1], x.shape[1]];
  if (T >= span) return x.slice(1, T - span, T).contiguous();
  return concat([past.slice(1, T, span), x], 1);
}

/** Number of resets up to each input: [B, span + T], the past being document 0. */
function documentsOf(resets: Tensor, span: number): Tensor {
  const counted = cumsum(cast(resets, 'f32'), 1);
  return counted.pad(1, span, 0);
}

/** Convolution in which a position sees inputs of its own document only: one masked product per tap. */
function convWithin(
  all: Tensor,
  documents: Tensor,
  weight: Tensor,
  { dilation, groups, T }: { dilation: number; groups: number; T: number },
): Tensor {
  const W = weight.shape[0];
  const span = (W - 1) * dilation;
  const own = documents.slice(1, span, span + T); // [B, T]
  let y: Tensor | undefined;
  for (let j = 0; j < W; j++) {
    const from = span - j * dilation;
    const inputs = all.slice(1, from, from + T); // [B, T, I]
    const same = eq(documents.slice(1, from, from + T), own);
    const seen = j === 0 ? inputs : where(same.expandDims(-1), inputs, 0);
    const tap = weight.slice(0, W - 1 - j, W - j); // [1, I/groups, O]
    const part = groups === 1 ? matmul(seen, tap.squeeze(0)) : conv1d(seen, tap, { groups });
    y = y ? y.add(part) : part;
  }
  return y!;
}

/** The last `span` inputs that count in each row, with those of earlier documents as zeros. */
function keptInputs(
  all: Tensor,
  documents: Tensor | undefined,
  { span, T, lengths }: { span: number; T: number; lengths: Tensor | undefined },
): Tensor {
  if (span === 0) return all.slice(1, 0, 0).contiguous();
  const count = lengths && clip(lengths, 0, T);
  const tail = (t: Tensor): Tensor => (count ? sliceAt(t, count, span, 1) : t.slice(1, T, T + span));
  const inputs = tail(all);
  if (!documents) return inputs.contiguous();
  let reached = documents; // documents that began within the length
  if (count) {
    const index = arange(0, span + T, 1, { dtype: 'i32', device: all.device }).reshape([1, span + T]);
    reached = where(lt(index, count.add(span).expandDims(1)), documents, 0);
  }
  const current = reached.max(1, { keepDims: true }); // [B, 1]
  return where(eq(tail(documents), current).expandDims(-1), inputs, 0);
}

function checkConv(
  x: Tensor,
  { weight, bias }: CausalConvParams,
  dilation: number,
  groups: number,
  state: Tensor | undefined,
): number {
  if (!Number.isInteger(dilation) || dilation < 1) {
    throw new OptionError(`causalConv: dilation must be a positive integer, got ${dilation}.`);
  }
  if (x.ndim !== 3) throw new ShapeError(`causalConv: x must be [B, T, I], got ${show(x.shape)}.`);
  const [B, , I] = x.shape;
  const [W, size, O] = weight.shape;
  if (!Number.isInteger(groups) || groups < 1 || I % groups !== 0) {
    throw new OptionError(`causalConv: groups must divide the channels I = ${I}, got ${groups}.`);
  }
  if (weight.ndim !== 3 || W < 1 || size !== I / groups || O % groups !== 0) {
    throw new ShapeError(
      `causalConv: weight must be [W, I/groups, O] with I/groups = ${I / groups}, got ${show(weight.shape)}. PyTorch's [O, I/groups, W] must be transposed by [2, 1, 0].`,
    );
  }
  if (bias && (bias.ndim !== 1 || bias.shape[0] !== O)) {
    throw new ShapeError(`causalConv: bias must be [O] = [${O}], got ${show(bias.shape)}.`);
  }
  const span = (W - 1) * dilation;
  if (
    state &&
    (state.ndim !== 3 || state.shape[0] !== B || state.shape[1] !== span || state.shape[2] !== I)
  ) {
    throw new ShapeError(
      `causalConv: state must be [B, (W − 1)δ, I] = ${show([B, span, I])}, got ${show(state.shape)}. Make it with causalConvState.`,
    );
  }
  return span;
}
