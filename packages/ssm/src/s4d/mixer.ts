import { gelu, mul, OptionError, sigmoid, split, splitSizes, zeros } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { s4dSystemInit } from './init.js';
import type { S4dInit } from './init.js';
import { fftConvFlops } from '../internal/flops.js';
import { s4dConvolution, s4dScan, s4dStep } from './op.js';
import type { S4dOptions, S4dSystem } from './op.js';

/** Options of the `s4d` mixer. */
export interface S4dMixerOptions extends S4dOptions {
  /** Width C of inputs and outputs: as many systems. */
  readonly dModel: number;
  /** States N of each channel, in conjugate pairs: N / 2 are kept. Default 64. */
  readonly stateDim?: number;
  /** How the rates begin. Default `lin`. */
  readonly init?: S4dInit;
  /** Smallest and largest step size at the beginning. Defaults 0.001 and 0.1. */
  readonly dtMin?: number;
  readonly dtMax?: number;
}

/** Parameters of the `s4d` mixer. */
export interface S4dParams {
  readonly system: S4dSystem;
  /** weight [2 C, C], bias [2 C] */
  readonly out: LinearParams;
}

/** State of the `s4d` mixer. */
export interface S4dState {
  /** { re, im } [B, C, N / 2] */
  readonly h: Complex;
}

/**
 * S4D: a diagonal state space for each channel, an activation, and a gated linear map that mixes channels.
 *
 *   y = system(u)        a, b = W gelu(y) + bias        out = a ∘ σ(b)
 *
 * `forward` is one convolution through Fourier transforms, `prefill` a scan, `step` one position: the same numbers.
 * `init` is that of the authors: C of variance 1, D normal, step sizes log-uniform. No weight decay on rates and steps.
 *
 * @throws OptionError  a stateDim that is not even and positive, an unknown init or discretization
 * @see Gu et al. 2022, arXiv:2206.11893
 */
export function s4d(options: S4dMixerOptions): CausalMixer<S4dParams, S4dState> {
  const { dModel: C, stateDim: N = 64, init = 'lin', discretization = 'zoh' } = options;
  const { dtMin = 0.001, dtMax = 0.1 } = options;
  if (!Number.isInteger(N) || N < 2 || N % 2 !== 0)
    throw new OptionError(`s4d: stateDim must be even and positive, got ${N}.`);
  if (discretization !== 'zoh' && discretization !== 'bilinear')
    throw new OptionError(
      `s4d: discretization must be 'zoh' or 'bilinear', got '${String(discretization)}'.`,
    );
  const M = N / 2;
  const rule = { discretization };
  const mixed = (y: Tensor, out: LinearParams): Tensor => {
    const [a, b] = splitSizes(linear(gelu(y), out), [C, C], -1);
    return mul(a, sigmoid(b));
  };
  return defineMixer<S4dParams, S4dState>({
    spec: {
      kind: 'seq/s4d',
      dModel: C,
      options: { stateDim: N, init, discretization, dtMin, dtMax },
    },
    noDecay: ['system.logStep', 'system.logReal', 'system.imag', 'system.D'],
    init(key, o = {}) {
      const [first, second] = split(key);
      return {
        system: s4dSystemInit(first, C, M, { init, dtMin, dtMax, ...o }),
        out: linearInit(second, C, 2 * C, o),
      };
    },
    initState: (B, o) => ({ h: { re: zeros([B, C, M], o), im: zeros([B, C, M], o) } }),
    forward: ({ system, out }, u) => mixed(s4dConvolution(u, system, rule), out),
    prefill({ system, out }, u, { h }) {
      const [y, next] = s4dScan(u, system, { ...rule, h0: h });
      return [mixed(y, out), { h: next }];
    },
    step({ system, out }, u, { h }) {
      const [y, next] = s4dStep(u, system, h, rule);
      return [mixed(y, out), { h: next }];
    },
    cost({ B, T, form }) {
      const matmulFlops = 4 * B * T * C * C;
      const zoh = discretization === 'zoh';
      const whole = form === 'forward';
      const system = C * M * ((zoh ? 73 : 28) + (whole ? (zoh ? 12 : 8) : 0)) + 2 * C;
      const kernel = C * M * T * (zoh ? 6 : 9);
      const states = whole ? fftConvFlops(B, T, C) + kernel : B * T * C * (14 * M + 1);
      return {
        params: 2 * C + 4 * C * M + 2 * C * C + 2 * C,
        matmulFlops,
        flops: matmulFlops + system + states + B * T * 7 * C,
        stateFloats: 2 * B * C * M,
      };
    },
  });
}
