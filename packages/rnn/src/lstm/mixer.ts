import { add, concat, full, log, neg, OptionError, slice, split, uniform, zeros } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { defineMixer, layerNormInit, linear, linearInit } from '@seq/nn';
import type { CausalMixer, CostAt, LinearParams, RunOptions } from '@seq/nn';
import { lstmSequence } from './op.js';
import type { LstmState, LstmWeights } from './op.js';

/** Options of the `lstm` mixer. */
export interface LstmOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** Units H of the cell. Default `dModel`. */
  readonly hiddenDim?: number;
  /** Width P < H that the output h is projected to before it is fed back. Absent: no projection, P = H. */
  readonly projSize?: number;
  /** Whether the gates and the output projection have biases. Default true. */
  readonly bias?: boolean;
  /** What `init` adds to the input bias of the forget gate; 1 makes the cell remember at first. Default 0, as PyTorch. */
  readonly forgetBias?: number;
  /**
   * Longest range Tmax > 2, in positions, of what is to be remembered: `init` sets the biases of the forget gate to
   * log u with u from U(1, Tmax − 1), those of the input gate to −log u. Absent: they are drawn as the others.
   */
  readonly chronoRange?: number;
  /** Whether W_ih x, W_hh h and the shown cell are layer-normalised. Default false. */
  readonly layerNorm?: boolean;
  /** Whether the gates see the cell. Default false. */
  readonly peepholes?: boolean;
}

/** Parameters of the `lstm` mixer. */
export interface LstmParams extends LstmWeights {
  /** [C, P], with bias [C]; there when P ≠ C. */
  readonly out?: LinearParams;
}

/**
 * Long short-term memory as a mixer: a cell that gates let in, keep and show.
 *
 *   i, f, o = σ(…)   g = tanh(…)   c ← f ∘ c + i ∘ g   h ← o ∘ tanh c (projected by W_hr)   y = h, or W_out h + b_out
 *
 * `init` draws all weights from U(±1/√H), as PyTorch does, and adds `forgetBias`, or sets the
 * biases of both memory gates by `chronoRange`. The train form runs T dependent steps inside one op.
 *
 * With `layerNorm` each norm begins with weight 1 and bias 0; `peepholes` are drawn as the other weights. With either the
 * train form is a scan of the cell.
 *
 * @throws OptionError  sizes that are not positive integers, projSize not below hiddenDim, forgetBias or chronoRange
 *                      without bias, both at once, chronoRange not above 2
 * @see Hochreiter and Schmidhuber 1997; forget bias: Jozefowicz, Zaremba and Sutskever 2015;
 *      chrono init: Tallec and Ollivier 2018, arXiv:1804.11188; norms: Ba, Kiros and Hinton 2016, arXiv:1607.06450; formulas at `lstmSequence`
 */
export function lstm(options: LstmOptions): CausalMixer<LstmParams, LstmState> {
  const {
    dModel,
    hiddenDim = dModel,
    projSize,
    bias = true,
    forgetBias = 0,
    chronoRange,
    layerNorm = false,
    peepholes = false,
  } = options;
  checkOptions(hiddenDim, projSize);
  checkBiases(bias, forgetBias, chronoRange);
  const [C, H, P] = [dModel, hiddenDim, projSize ?? hiddenDim];
  const projected = P !== C;
  const output = (h: Tensor, { out }: LstmParams): Tensor => (out ? linear(h, out) : h);

  const run = (
    params: LstmParams,
    x: Tensor,
    state: LstmState | undefined,
    o: RunOptions = {},
  ): [Tensor, LstmState] => {
    const { lengths, resets } = o;
    const [y, next] = lstmSequence(x, params, {
      ...(state && { h0: state.h, c0: state.c }),
      ...(lengths && { lengths }),
      ...(resets && { resets }),
    });
    return [output(y, params), next];
  };

  return defineMixer({
    spec: {
      kind: 'seq/lstm',
      dModel: C,
      options: {
        hiddenDim,
        ...(projSize !== undefined && { projSize }),
        bias,
        forgetBias,
        ...(chronoRange !== undefined && { chronoRange }),
        layerNorm,
        peepholes,
      },
    },
    serial: true,
    honours: ['lengths', 'resets'],
    init(key: Key, o: TensorOptions = {}): LstmParams {
      const keys = split(key, 8);
      const bound = 1 / Math.sqrt(H);
      const draw = (k: Key, shape: number[]): Tensor => uniform(k, shape, { low: -bound, high: bound, ...o });
      const biases = (): Pick<LstmParams, 'biasIh' | 'biasHh'> => {
        const drawn = { biasIh: draw(keys[2], [4 * H]), biasHh: draw(keys[3], [4 * H]) };
        if (chronoRange !== undefined) return chronoBiases(drawn, keys[6], H, chronoRange, o);
        return forgetBias === 0 ? drawn : { ...drawn, biasIh: remember(drawn.biasIh, H, forgetBias, o) };
      };
      return {
        weightIh: draw(keys[0], [4 * H, C]),
        weightHh: draw(keys[1], [4 * H, P]),
        ...(bias && biases()),
        ...(projSize !== undefined && { weightHr: draw(keys[4], [P, H]) }),
        ...(layerNorm && {
          norms: {
            input: layerNormInit(4 * H, o),
            recurrent: layerNormInit(4 * H, o),
            cell: layerNormInit(H, o),
          },
        }),
        ...(peepholes && { peepholes: draw(keys[7], [3 * H]) }),
        ...(projected && { out: linearInit(keys[5], P, C, { bias, ...o }) }),
      };
    },
    initState: (B, o) => ({ h: zeros([B, P], o), c: zeros([B, H], o) }),
    forward: (params, x, o) => run(params, x, undefined, o)[0],
    prefill: (params, x, state, o) => run(params, x, state, o),
    step(params, x, state) {
      const [y, next] = run(params, x.expandDims(1), state);
      return [y.squeeze(1), next];
    },
    cost({ B, T }: CostAt) {
      const projection = projSize === undefined ? 0 : P * H;
      const matrices = 4 * H * (C + P) + projection + (projected ? C * P : 0);
      const norms = layerNorm ? 18 * H : 0; // weights and biases of 4H + 4H + H
      const perPosition =
        (peepholes ? 19 : 13) * H + (norms / 2) * 7 + (bias ? 4 * H : 0) + (projected && bias ? C : 0);
      const onceBiases = bias && T > 0 ? 4 * H : 0; // b_ih + b_hh
      const matmulFlops = 2 * B * T * matrices;
      return {
        params: matrices + norms + (peepholes ? 3 * H : 0) + (bias ? 8 * H : 0) + (projected && bias ? C : 0),
        matmulFlops,
        flops: matmulFlops + B * T * perPosition + onceBiases,
        stateFloats: B * (H + P),
      };
    },
  });
}

/** The input biases [4H] with the forget gate's raised. */
function remember(biasIh: Tensor, H: number, by: number, o: TensorOptions): Tensor {
  return add(biasIh, concat([zeros([H], o), full([H], by, o), zeros([2 * H], o)]));
}

/** b_f = log u, u from U(1, Tmax − 1), and b_i = −b_f, in the input biases; the recurrent ones of both gates are 0. */
function chronoBiases(
  { biasIh, biasHh }: { biasIh: Tensor; biasHh: Tensor },
  key: Key,
  H: number,
  range: number,
  o: TensorOptions,
): { biasIh: Tensor; biasHh: Tensor } {
  const forget = log(uniform(key, [H], { low: 1, high: range - 1, ...o }));
  const rest = (b: Tensor): Tensor => slice(b, 0, 2 * H, 4 * H);
  return {
    biasIh: concat([neg(forget), forget, rest(biasIh)]),
    biasHh: concat([zeros([2 * H], o), rest(biasHh)]),
  };
}

function checkOptions(hiddenDim: number, projSize: number | undefined): void {
  const positive = (n: number): boolean => Number.isInteger(n) && n > 0;
  if (!positive(hiddenDim))
    throw new OptionError(
      `lstm: hiddenDim must be a positive integer, got ${hiddenDim}. Leave it out for dModel.`,
    );
  if (projSize !== undefined && !(positive(projSize) && projSize < hiddenDim))
    throw new OptionError(
      `lstm: projSize must be a positive integer below hiddenDim = ${hiddenDim}, got ${projSize}. Leave it out for no projection.`,
    );
}

function checkBiases(bias: boolean, forgetBias: number, chronoRange: number | undefined): void {
  if (!Number.isFinite(forgetBias) || (forgetBias !== 0 && !bias))
    throw new OptionError(
      `lstm: forgetBias needs bias: true and a finite number, got ${forgetBias} with bias: ${bias}. Leave it out.`,
    );
  if (chronoRange === undefined) return;
  if (!(Number.isFinite(chronoRange) && chronoRange > 2) || !bias)
    throw new OptionError(
      `lstm: chronoRange needs bias: true and a number above 2, got ${chronoRange} with bias: ${bias}. Give the longest range in positions.`,
    );
  if (forgetBias !== 0)
    throw new OptionError(
      `lstm: chronoRange sets the forget gate's bias by itself, got forgetBias ${forgetBias} too. Give one of them.`,
    );
}
