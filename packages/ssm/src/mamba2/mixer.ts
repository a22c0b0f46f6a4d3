import {
  concat,
  exp,
  log,
  mul,
  neg,
  ones,
  OptionError,
  silu,
  split,
  splitSizes,
  uniform,
  zeros,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import {
  constantInit,
  defineMixer,
  linear,
  linearInit,
  rmsNormGated,
  shortConv,
  shortConvInit,
  shortConvState,
  shortConvStep,
} from '@seq/nn';
import type { CausalMixer, CostAt, LinearParams, ShortConvParams } from '@seq/nn';
import { scanCost } from '@seq/nn/scan';
import { stepBiasInit } from '../mamba/init.js';
import type { StepInitOptions } from '../mamba/init.js';
import { ssd, ssdStep } from './op.js';
import type { SsdGates } from './op.js';

/** Options of the `mamba2` mixer. */
export interface Mamba2Options extends StepInitOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** States N of each head. Default 128. */
  readonly stateDim?: number;
  /** Width W of the convolution before the scan. Default 4. */
  readonly convWidth?: number;
  /** Channels inside: I = expand · C. Default 2. */
  readonly expand?: number;
  /** Channels P of a head. Default 64. */
  readonly headDim?: number;
  /** Groups G of heads that share B and C, and of channels that are normalised together. Default 1. */
  readonly numGroups?: number;
  /** Channels that go through the state space; the other I − ssmDim are gated only. Default I. */
  readonly ssmDim?: number;
  /** Biases of the projections in and out. Default false. */
  readonly bias?: boolean;
  /** Bias of the convolution. Default true. */
  readonly convBias?: boolean;
  /** Whether an RMS norm stands before the projection out. Default true; without it the gate alone does. */
  readonly rmsNorm?: boolean;
  /** Whether the norm comes before the gate. Default false: what is gated is normalised. */
  readonly normBeforeGate?: boolean;
  /** D for each channel instead of each head. Default false. */
  readonly channelSkip?: boolean;
  /** Smallest and largest step size; unbounded if absent. */
  readonly dtLimit?: readonly [low: number, high: number];
  /** Between which −A begins, uniformly. Default [1, 16]. */
  readonly rateRange?: readonly [low: number, high: number];
  /** Positions of a chunk of the scan. Default 64. */
  readonly chunkSize?: number;
}

/** Parameters of the `mamba2` mixer: I channels inside, S of them through the state space, H heads. */
export interface Mamba2Params {
  /** weight [2 I + 2 G N + H, C], bias if any: gate and value of what goes past (I − S each), z and x (S each), B, C, dt */
  readonly inProj: LinearParams;
  /** weight [S + 2 G N, W], bias if any: over x, B and C together */
  readonly conv: ShortConvParams;
  /** [H] */
  readonly dtBias: Tensor;
  /** [H]; A = −exp(logA) */
  readonly logA: Tensor;
  /** [H] or [H, P] */
  readonly D: Tensor;
  /** [S], where there is a norm */
  readonly norm?: { readonly weight: Tensor };
  /** weight [C, I], bias [C] if any */
  readonly outProj: LinearParams;
}

/** State of the `mamba2` mixer. */
export interface Mamba2State {
  /** [B, S + 2 G N, W − 1] the last inputs of the convolution, oldest first */
  readonly conv: Tensor;
  /** [B, H, N, P] */
  readonly ssm: Tensor;
}

/**
 * Mamba-2: a matrix for each head that decays by one number a position, between two projections, gated and normalised.
 *
 *   z, xBC, dt = W_in u        x, B, C = silu(conv(xBC))
 *   y = ssd(x, dt, A, B, C) with D        out = W_out RMSNorm(y ∘ silu(z))
 *
 * `init` is that of the paper's code: −A uniform in 1 … 16, D = 1, step sizes log-uniform in [dtMin, dtMax]. There is no
 * weight decay on logA, D and dtBias.
 *
 * @throws OptionError  sizes that are no positive integers or do not divide each other
 * @see Dao and Gu 2024, arXiv:2405.21060, section 7
 */
export function mamba2(options: Mamba2Options): CausalMixer<Mamba2Params, Mamba2State> {
  const { dModel: C, stateDim: N = 128, convWidth: W = 4, expand = 2, headDim: P = 64 } = options;
  const { numGroups: G = 1, bias = false, convBias = true, rmsNorm = true, normBeforeGate = false } = options;
  const { channelSkip = false, dtLimit, rateRange = [1, 16], chunkSize = 64 } = options;
  const { dtMin = 0.001, dtMax = 0.1, dtInitFloor = 1e-4 } = options;
  const I = expand * C;
  const { ssmDim: S = I } = options;
  const H = S / P;
  const sizes = { stateDim: N, convWidth: W, headDim: P, numGroups: G, chunkSize, 'ssmDim / headDim': H };
  for (const [name, value] of Object.entries({ ...sizes, 'numHeads / numGroups': H / G }))
    if (!Number.isInteger(value) || value < 1)
      throw new OptionError(
        `mamba2: ${name} must be a positive integer, got ${value}. dModel · expand = ${I}, ssmDim = ${S}, headDim = ${P}, numGroups = ${G}.`,
      );
  if (!Number.isInteger(I) || S > I)
    throw new OptionError(`mamba2: ssmDim must be at most expand · dModel = ${I}, got ${S}.`);
  const past = I - S;
  const conv = S + 2 * G * N;
  const projected = 2 * I + 2 * G * N + H;
  const norms = { eps: 1e-5, groupSize: S / G, normBeforeGate };
  const gates = (p: Mamba2Params): SsdGates => ({
    D: p.D,
    dtBias: p.dtBias,
    dtSoftplus: true,
    ...(dtLimit && { dtLimit }),
  });
  const parts = (u: Tensor, p: Mamba2Params): Tensor[] =>
    splitSizes(linear(u, p.inProj), [past, past, S, conv, H], -1);
  /** Norm, gate and projection of what came out [..., S], beside what went past. */
  const finish = (y: Tensor, [gate, value, z]: Tensor[], p: Mamba2Params): Tensor => {
    const inner = p.norm ? rmsNormGated(y, z, p.norm, norms) : mul(y, silu(z));
    return linear(past > 0 ? concat([mul(silu(gate), value), inner], -1) : inner, p.outProj);
  };
  const heads = (x: Tensor, B: Tensor, Cs: Tensor): Tensor[] => {
    const lead = x.shape.slice(0, -1);
    return [x.reshape([...lead, H, P]), B.reshape([...lead, G, N]), Cs.reshape([...lead, G, N])];
  };

  return defineMixer<Mamba2Params, Mamba2State>({
    spec: {
      kind: 'seq/mamba2',
      dModel: C,
      options: {
        stateDim: N,
        convWidth: W,
        expand,
        headDim: P,
        numGroups: G,
        ssmDim: S,
        bias,
        convBias,
        rmsNorm,
        normBeforeGate,
        channelSkip,
        ...(dtLimit && { dtLimit: [...dtLimit] }),
        rateRange: [...rateRange],
        chunkSize,
        dtMin,
        dtMax,
        dtInitFloor,
      },
    },
    noDecay: ['logA', 'D', 'dtBias'],
    honours: ['resets'],
    init(key, o = {}) {
      const keys = split(key, 5);
      const biasInit = constantInit(0);
      return {
        inProj: linearInit(keys[0], C, projected, { bias, biasInit, ...o }),
        conv: shortConvInit(keys[1], conv, W, { bias: convBias, ...o }),
        dtBias: stepBiasInit(keys[2], H, { dtMin, dtMax, dtInitFloor, ...o }),
        logA: log(uniform(keys[3], [H], { low: rateRange[0], high: rateRange[1], ...o })),
        D: ones(channelSkip ? [H, P] : [H], o),
        ...(rmsNorm && { norm: { weight: ones([S], o) } }),
        outProj: linearInit(keys[4], I, C, { bias, biasInit, ...o }),
      };
    },
    initState: (B, o = {}) => ({ conv: shortConvState(B, conv, W, o), ssm: zeros([B, H, N, P], o) }),
    prefill(p, u, state, { resets } = {}) {
      const [gate, value, z, through, dt] = parts(u, p);
      const [xBC, last] = shortConv(through, p.conv, {
        state: state.conv,
        resets,
        activation: 'silu',
      });
      const [x, Bs, Cs] = heads(...(splitSizes(xBC, [S, G * N, G * N], -1) as [Tensor, Tensor, Tensor]));
      const scan = { ...gates(p), initial: state.ssm, chunkSize, ...(resets && { resets }) };
      const [y, ssm] = ssd(x, dt, neg(exp(p.logA)), Bs, Cs, scan);
      return [finish(y.reshape(z.shape), [gate, value, z], p), { conv: last, ssm }];
    },
    step(p, u, state) {
      const [gate, value, z, through, dt] = parts(u, p);
      const [xBC, last] = shortConvStep(through, p.conv, state.conv, { activation: 'silu' });
      const [x, Bs, Cs] = heads(...(splitSizes(xBC, [S, G * N, G * N], -1) as [Tensor, Tensor, Tensor]));
      const [y, ssm] = ssdStep(x, dt, neg(exp(p.logA)), Bs, Cs, state.ssm, gates(p));
      return [finish(y.reshape(z.shape), [gate, value, z], p), { conv: last, ssm }];
    },
    cost({ B, T, form }: CostAt) {
      const rows = B * T;
      const entries = rows * S * N;
      const scan =
        form === 'step'
          ? { matmulFlops: 0, flops: 5 * entries + rows * H }
          : scanCost({ B, T, H, K: N, V: P }, { decay: 'head', erase: 'none' });
      const matmuls = C * projected + conv * W + I * C;
      const biases = (bias ? projected + C : 0) + (convBias ? conv : 0);
      const perStep = H * (dtLimit ? 5 : 4);
      const matmulFlops = 2 * rows * matmuls + scan.matmulFlops;
      const around = biases + conv + perStep + 3 * S + (rmsNorm ? 6 : 2) * S + 2 * past;
      return {
        params: matmuls + biases + 2 * H + H * (channelSkip ? P : 1) + (rmsNorm ? S : 0),
        matmulFlops,
        flops: 2 * rows * matmuls + scan.flops + rows * around + 2 * H,
        stateFloats: B * (conv * (W - 1) + S * N),
      };
    },
  });
}
