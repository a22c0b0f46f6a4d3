import {
  exp,
  expm1,
  gelu,
  log,
  mul,
  neg,
  normal,
  OptionError,
  scope,
  sigmoid,
  split,
  uniform,
  zeros,
} from '@seq/tensor';
import type { Complex, Key, Tensor, TensorOptions } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { mimoFlops } from '../internal/mimo.js';
import { lruScan, lruStep } from './op.js';
import type { LruSystem } from './op.js';

/** Options of the `lru` mixer. */
export interface LruOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** Complex states N. Default `dModel`. */
  readonly stateDim?: number;
  /** Where |λ| begins: between rMin and rMax, uniform in area. Defaults 0 and 1. */
  readonly rMin?: number;
  readonly rMax?: number;
  /** Largest angle of λ at the beginning. Default 2π. */
  readonly maxPhase?: number;
}

/** Parameters of the `lru` mixer. */
export interface LruParams {
  readonly system: LruSystem;
  /** weight [C, C], bias [C] each: what comes out, and its gate */
  readonly value: LinearParams;
  readonly gate: LinearParams;
}

/** State of the `lru` mixer. */
export interface LruState {
  /** { re, im } [B, N] */
  readonly h: Complex;
}

/** A system whose λ lies in a ring and whose states keep the size of inputs. */
function systemInit(
  key: Key,
  H: number,
  N: number,
  { rMin, rMax, maxPhase, ...o }: Required<Omit<LruOptions, 'dModel' | 'stateDim'>> & TensorOptions,
): LruSystem {
  return scope(() => {
    const keys = split(key, 7);
    const part = (k: number, shape: number[], std: number): Tensor => normal(keys[k], shape, { std, ...o });
    const area = uniform(keys[0], [N], { low: rMin ** 2, high: rMax ** 2, ...o });
    const nu = log(neg(mul(log(area.maximum(1e-12)), 0.5)).maximum(1e-12));
    const theta = log(uniform(keys[1], [N], { low: 0, high: maxPhase, ...o }).maximum(1e-12));
    const [b, c] = [1 / Math.sqrt(2 * H), 1 / Math.sqrt(N)];
    return {
      nu,
      theta,
      // ½ log(1 − |λ|²) with |λ|² = e^(−2 e^nu): expm1 keeps the digits when |λ| is near 1.
      gammaLog: mul(log(neg(expm1(mul(exp(nu), -2)))), 0.5),
      B: { re: part(2, [N, H], b), im: part(3, [N, H], b) },
      C: { re: part(4, [H, N], c), im: part(5, [H, N], c) },
      D: normal(keys[6], [H], o),
    };
  });
}

/**
 * LRU: one diagonal recurrence that all channels share, an activation and a gated linear map.
 *
 *   y = lruScan(u)        out = (W_v gelu(y) + b_v) ∘ σ(W_g gelu(y) + b_g)
 *
 * Eigenvalues are λ = e^(−e^nu + i e^theta), inside the unit circle whatever the parameters. `init` draws them from the
 * ring rMin … rMax and normalises inputs by √(1 − |λ|²). No weight decay on nu, theta, gammaLog and D.
 *
 * @throws OptionError  a stateDim that is no positive integer, bounds that are not 0 ≤ rMin < rMax ≤ 1, maxPhase ≤ 0
 * @see Orvieto et al. 2023, arXiv:2303.06349
 */
export function lru(options: LruOptions): CausalMixer<LruParams, LruState> {
  const { dModel: C, stateDim: N = C, rMin = 0, rMax = 1, maxPhase = 2 * Math.PI } = options;
  if (!Number.isInteger(N) || N < 1)
    throw new OptionError(`lru: stateDim must be a positive integer, got ${N}.`);
  if (!(rMin >= 0 && rMin < rMax && rMax <= 1 && maxPhase > 0))
    throw new OptionError(
      `lru: 0 ≤ rMin < rMax ≤ 1 and maxPhase > 0 are needed, got ${rMin}, ${rMax} and ${maxPhase}.`,
    );
  const mixed = (y: Tensor, { value, gate }: LruParams): Tensor => {
    const x = gelu(y);
    return mul(linear(x, value), sigmoid(linear(x, gate)));
  };
  return defineMixer<LruParams, LruState>({
    spec: { kind: 'seq/lru', dModel: C, options: { stateDim: N, rMin, rMax, maxPhase } },
    noDecay: ['system.nu', 'system.theta', 'system.gammaLog', 'system.D'],
    init(key, o = {}) {
      const [first, second, third] = split(key, 3);
      return {
        system: systemInit(first, C, N, { rMin, rMax, maxPhase, ...o }),
        value: linearInit(second, C, C, o),
        gate: linearInit(third, C, C, o),
      };
    },
    initState: (B, o) => ({ h: { re: zeros([B, N], o), im: zeros([B, N], o) } }),
    prefill(params, u, { h }) {
      const [y, next] = lruScan(u, params.system, { h0: h });
      return [mixed(y, params), { h: next }];
    },
    step(params, u, { h }) {
      const [y, next] = lruStep(u, params.system, h);
      return [mixed(y, params), { h: next }];
    },
    cost({ B, T }) {
      const matmulFlops = 2 * B * T * (4 * N * C + 2 * C * C);
      return {
        params: 3 * N + 4 * N * C + C + 2 * C * C + 2 * C,
        matmulFlops,
        flops: matmulFlops + B * T * (mimoFlops(N, C) + 5 * C) + 2 * N * C + 9 * N,
        stateFloats: 2 * B * N,
      };
    },
  });
}
