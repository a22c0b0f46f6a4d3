import { gelu, mul, OptionError, sigmoid, split, zeros } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { mimoFlops } from '../internal/mimo.js';
import { s5SystemInit } from './init.js';
import { s5Scan, s5Step } from './op.js';
import type { S5Options, S5System } from './op.js';

/** Options of the `s5` mixer. */
export interface S5MixerOptions extends Pick<S5Options, 'discretization' | 'clipEigs'> {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** States N, in conjugate pairs: P = N / 2 are kept. Default `dModel`, or one more where that is odd. */
  readonly stateDim?: number;
  /** Copies of HiPPO-LegS that the rates begin with; divides N / 2. Default 1. */
  readonly blocks?: number;
  /** Smallest and largest step size at the beginning. Defaults 0.001 and 0.1. */
  readonly dtMin?: number;
  readonly dtMax?: number;
}

/** Parameters of the `s5` mixer. */
export interface S5Params {
  readonly system: S5System;
  /** weight [C, C], bias [C] */
  readonly gate: LinearParams;
}

/** State of the `s5` mixer. */
export interface S5State {
  /** { re, im } [B, N / 2] */
  readonly h: Complex;
}

/**
 * S5: one diagonal state space that all channels share, an activation and a gate.
 *
 *   y = gelu(s5Scan(u))        out = y ∘ σ(W y + b)
 *
 * `init` is that of the authors: rates of HiPPO-LegS, B and C in its eigenvectors, step sizes log-uniform. No weight
 * decay on rates, step sizes, B and D.
 *
 * @throws OptionError  a stateDim that is not even and positive, blocks that do not divide it, an unknown discretization
 * @see Smith, Warrington, Linderman 2023, arXiv:2208.04933
 */
export function s5(options: S5MixerOptions): CausalMixer<S5Params, S5State> {
  const {
    dModel: C,
    stateDim: N = C + (C % 2),
    blocks = 1,
    discretization = 'zoh',
    clipEigs = false,
  } = options;
  const { dtMin = 0.001, dtMax = 0.1 } = options;
  if (!Number.isInteger(N) || N < 2 || N % 2 !== 0)
    throw new OptionError(`s5: stateDim must be even and positive, got ${N}.`);
  if (!Number.isInteger(blocks) || blocks < 1 || (N / 2) % blocks !== 0)
    throw new OptionError(`s5: blocks must divide stateDim / 2 = ${N / 2}, got ${blocks}.`);
  if (discretization !== 'zoh' && discretization !== 'bilinear')
    throw new OptionError(`s5: discretization must be 'zoh' or 'bilinear', got '${String(discretization)}'.`);
  const P = N / 2;
  const rule = { discretization, clipEigs };
  const gated = (y: Tensor, gate: LinearParams): Tensor => {
    const x = gelu(y);
    return mul(x, sigmoid(linear(x, gate)));
  };
  return defineMixer<S5Params, S5State>({
    spec: {
      kind: 'seq/s5',
      dModel: C,
      options: { stateDim: N, blocks, discretization, clipEigs, dtMin, dtMax },
    },
    noDecay: [
      'system.lambda.re',
      'system.lambda.im',
      'system.logStep',
      'system.B.re',
      'system.B.im',
      'system.D',
    ],
    init(key, o = {}) {
      const [first, second] = split(key);
      return {
        system: s5SystemInit(first, C, P, { blocks, dtMin, dtMax, ...o }),
        gate: linearInit(second, C, C, o),
      };
    },
    initState: (B, o) => ({ h: { re: zeros([B, P], o), im: zeros([B, P], o) } }),
    prefill({ system, gate }, u, { h }) {
      const [y, next] = s5Scan(u, system, { ...rule, h0: h });
      return [gated(y, gate), { h: next }];
    },
    step({ system, gate }, u, { h }) {
      const [y, next] = s5Step(u, system, h, rule);
      return [gated(y, gate), { h: next }];
    },
    cost({ B, T }) {
      const matmulFlops = 2 * B * T * (4 * P * C + C * C);
      const rates = P * ((discretization === 'zoh' ? 76 : 30) + (clipEigs ? 1 : 0));
      return {
        params: 3 * P + 4 * P * C + C + C * C + C,
        matmulFlops,
        flops: matmulFlops + B * T * (mimoFlops(P, C) + 4 * C) + 8 * P * C + rates,
        stateFloats: 2 * B * P,
      };
    },
  });
}
