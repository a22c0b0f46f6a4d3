import { exp, matmul, neg, ones, OptionError, split, splitSizes, transpose, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import {
  constantInit,
  defineMixer,
  linear,
  linearInit,
  shortConv,
  shortConvInit,
  shortConvState,
  shortConvStep,
  uniformInit,
} from '@seq/nn';
import type { CausalMixer, LinearParams, ShortConvParams } from '@seq/nn';
import { logStatesInit, stepBiasInit } from './init.js';
import type { StepInitOptions } from './init.js';
import { scanFlops, selectiveScan } from './op.js';
import { selectiveScanStep } from './step.js';

/** Options of the `mamba` mixer. */
export interface MambaOptions extends StepInitOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** States N of each channel. Default 16. */
  readonly stateDim?: number;
  /** Width W of the convolution before the scan. Default 4. */
  readonly convWidth?: number;
  /** Channels inside: I = expand · C. Default 2. */
  readonly expand?: number;
  /** Rank R of the projection that makes step sizes. Default ⌈C / 16⌉. */
  readonly dtRank?: number;
  /** Biases of the projections in and out. Default false. */
  readonly bias?: boolean;
  /** Bias of the convolution. Default true. */
  readonly convBias?: boolean;
  /** How the step projection begins: `U(±dtScale / √R)` or that constant. Default random, scale 1. */
  readonly dtInit?: 'random' | 'constant';
  readonly dtScale?: number;
}

/** Parameters of the `mamba` mixer; I channels inside, R the rank of the step sizes. */
export interface MambaParams {
  /** weight [2 I, C], bias [2 I] if any: what goes through, and its gate */
  readonly inProj: LinearParams;
  /** weight [I, W], bias [I] if any */
  readonly conv: ShortConvParams;
  /** weight [R + 2 N, I]: step sizes, B, C */
  readonly xProj: LinearParams;
  /** weight [I, R], bias [I]: the bias is added inside the softplus */
  readonly dtProj: Required<LinearParams>;
  /** [I, N]; A = −exp(logA) */
  readonly logA: Tensor;
  /** [I] */
  readonly D: Tensor;
  /** weight [C, I], bias [C] if any */
  readonly outProj: LinearParams;
}

/** State of the `mamba` mixer. */
export interface MambaState {
  /** [B, I, W − 1] the last inputs of the convolution, oldest first */
  readonly conv: Tensor;
  /** [B, I, N] */
  readonly ssm: Tensor;
}

/**
 * Mamba: a selective state space between two projections, gated.
 *
 *   x, z = W_in u        x ← silu(conv(x))        δ, B, C = W_x x
 *   y = selectiveScan(x, W_δ δ + b, A, B, C) with D and the gate z        out = W_out y
 *
 * `init` is that of the paper's code: A = −1 … −N, D = 1, step sizes log-uniform in [dtMin, dtMax], linears and
 * convolution as in PyTorch. There is no weight decay on logA and D. (The code also divides the output projection by
 * √layers, which is the model's affair.)
 *
 * @throws OptionError  sizes that are no positive integers
 * @see Gu and Dao 2023, arXiv:2312.00752, section 3.4
 */
export function mamba(options: MambaOptions): CausalMixer<MambaParams, MambaState> {
  const {
    dModel: C,
    stateDim: N = 16,
    convWidth: W = 4,
    expand = 2,
    dtRank: R = Math.ceil(C / 16),
  } = options;
  const { bias = false, convBias = true, dtInit = 'random', dtScale = 1, dtMin = 0.001 } = options;
  const { dtMax = 0.1, dtInitFloor = 1e-4 } = options;
  const I = expand * C;
  for (const [name, value] of Object.entries({ stateDim: N, convWidth: W, 'expand · dModel': I, dtRank: R }))
    if (!Number.isInteger(value) || value < 1)
      throw new OptionError(`mamba: ${name} must be a positive integer, got ${value}.`);
  if (dtInit !== 'random' && dtInit !== 'constant')
    throw new OptionError(`mamba: dtInit must be 'random' or 'constant', got '${String(dtInit)}'.`);

  const attrs = { softplus: true, D: true, z: true, bias: true };
  const rates = (logA: Tensor): Tensor => neg(exp(logA));
  /** Step sizes before the bias, B and C, from what goes through. */
  const select = ({ xProj, dtProj }: MambaParams, x: Tensor): Tensor[] => {
    const [dt, Bs, Cs] = splitSizes(linear(x, xProj), [R, N, N], -1);
    const rows = dt.shape.slice(0, -1);
    const flat = matmul(dt.reshape([rows.reduce((a, b) => a * b, 1), R]), transpose(dtProj.weight));
    return [flat.reshape([...rows, I]), Bs, Cs];
  };

  return defineMixer<MambaParams, MambaState>({
    spec: {
      kind: 'seq/mamba',
      dModel: C,
      options: {
        stateDim: N,
        convWidth: W,
        expand,
        dtRank: R,
        bias,
        convBias,
        dtInit,
        dtScale,
        dtMin,
        dtMax,
        dtInitFloor,
      },
    },
    noDecay: ['logA', 'D'],
    init(key, o = {}) {
      const keys = split(key, 6);
      const reach = dtScale / Math.sqrt(R);
      const weightInit = dtInit === 'random' ? uniformInit(-reach, reach) : constantInit(reach);
      const biasInit = constantInit(0);
      return {
        inProj: linearInit(keys[0], C, 2 * I, { bias, biasInit, ...o }),
        conv: shortConvInit(keys[1], I, W, { bias: convBias, ...o }),
        xProj: linearInit(keys[2], I, R + 2 * N, { bias: false, ...o }),
        dtProj: {
          weight: weightInit(keys[3], [I, R], o),
          bias: stepBiasInit(keys[4], I, { dtMin, dtMax, dtInitFloor, ...o }),
        },
        logA: logStatesInit(I, N, o),
        D: ones([I], o),
        outProj: linearInit(keys[5], I, C, { bias, biasInit, ...o }),
      };
    },
    initState: (B, o = {}) => ({ conv: shortConvState(B, I, W, o), ssm: zeros([B, I, N], o) }),
    prefill(p, u, state) {
      const [through, z] = splitSizes(linear(u, p.inProj), [I, I], 2);
      const [x, conv] = shortConv(through, p.conv, { state: state.conv, activation: 'silu' });
      const [delta, Bs, Cs] = select(p, x);
      const gates = { D: p.D, z, deltaBias: p.dtProj.bias, deltaSoftplus: true };
      const [y, ssm] = selectiveScan(x, delta, rates(p.logA), Bs, Cs, { ...gates, h0: state.ssm });
      return [linear(y, p.outProj), { conv, ssm }];
    },
    step(p, u, state) {
      const [through, z] = splitSizes(linear(u, p.inProj), [I, I], 1);
      const [x, conv] = shortConvStep(through, p.conv, state.conv, { activation: 'silu' });
      const [delta, Bs, Cs] = select(p, x);
      const gates = { D: p.D, z, deltaBias: p.dtProj.bias, deltaSoftplus: true };
      const [y, ssm] = selectiveScanStep(x, delta, rates(p.logA), Bs, Cs, state.ssm, gates);
      return [linear(y, p.outProj), { conv, ssm }];
    },
    cost({ B, T }) {
      const perPosition = 2 * C * I + I * W + I * (R + 2 * N) + R * I + I * C;
      const biases = (bias ? 2 * I + C : 0) + (convBias ? I : 0);
      const matmulFlops = 2 * B * T * perPosition;
      return {
        params: perPosition + biases + I + I * N + I,
        matmulFlops,
        flops: matmulFlops + B * T * (biases + I + I * scanFlops(N, attrs)) + 2 * I * N,
        stateFloats: B * I * (W - 1 + N),
      };
    },
  });
}
