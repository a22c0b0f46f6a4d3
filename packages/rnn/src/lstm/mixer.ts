import { add, concat, full, OptionError, split, uniform, zeros } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
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
 * `init` draws all weights from U(±1/√H), as PyTorch does, and adds `forgetBias`. The train form runs T
 * dependent steps inside one op.
 *
 * @throws OptionError  sizes that are not positive integers, projSize not below hiddenDim, forgetBias without bias
 * @see Hochreiter and Schmidhuber 1997; forget bias: Jozefowicz, Zaremba and Sutskever 2015; formulas at `lstmSequence`
 */
export function lstm(options: LstmOptions): CausalMixer<LstmParams, LstmState> {
  const { dModel, hiddenDim = dModel, projSize, bias = true, forgetBias = 0 } = options;
  checkOptions(hiddenDim, projSize, bias, forgetBias);
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
      options: { hiddenDim, ...(projSize !== undefined && { projSize }), bias, forgetBias },
    },
    serial: true,
    honours: ['lengths', 'resets'],
    init(key: Key, o: TensorOptions = {}): LstmParams {
      const keys = split(key, 6);
      const bound = 1 / Math.sqrt(H);
      const draw = (k: Key, shape: number[]): Tensor => uniform(k, shape, { low: -bound, high: bound, ...o });
      const constant = (units: number, value: number): Tensor => full([units], value, o);
      const remember = (b: Tensor): Tensor =>
        forgetBias === 0 ? b : add(b, concat([constant(H, 0), constant(H, forgetBias), constant(2 * H, 0)]));
      return {
        weightIh: draw(keys[0], [4 * H, C]),
        weightHh: draw(keys[1], [4 * H, P]),
        ...(bias && { biasIh: remember(draw(keys[2], [4 * H])), biasHh: draw(keys[3], [4 * H]) }),
        ...(projSize !== undefined && { weightHr: draw(keys[4], [P, H]) }),
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
      const perPosition = 13 * H + (bias ? 4 * H : 0) + (projected && bias ? C : 0);
      const onceBiases = bias && T > 0 ? 4 * H : 0; // b_ih + b_hh
      const matmulFlops = 2 * B * T * matrices;
      return {
        params: matrices + (bias ? 8 * H : 0) + (projected && bias ? C : 0),
        matmulFlops,
        flops: matmulFlops + B * T * perPosition + onceBiases,
        stateFloats: B * (H + P),
      };
    },
  });
}

function checkOptions(
  hiddenDim: number,
  projSize: number | undefined,
  bias: boolean,
  forgetBias: number,
): void {
  const positive = (n: number): boolean => Number.isInteger(n) && n > 0;
  if (!positive(hiddenDim))
    throw new OptionError(
      `lstm: hiddenDim must be a positive integer, got ${hiddenDim}. Leave it out for dModel.`,
    );
  if (projSize !== undefined && !(positive(projSize) && projSize < hiddenDim))
    throw new OptionError(
      `lstm: projSize must be a positive integer below hiddenDim = ${hiddenDim}, got ${projSize}. Leave it out for no projection.`,
    );
  if (!Number.isFinite(forgetBias) || (forgetBias !== 0 && !bias))
    throw new OptionError(
      `lstm: forgetBias needs bias: true and a finite number, got ${forgetBias} with bias: ${bias}. Leave it out.`,
    );
}
