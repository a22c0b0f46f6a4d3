// What the mixers of this room share: heads, a state that is a matrix per head, what padding and packing do to it, the
// norm and the gate behind the reading.
import {
  add,
  arange,
  expandDims,
  lt,
  mul,
  OptionError,
  reshape,
  silu,
  split,
  where,
  zeros,
} from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';
import { defineMixer, linear, linearInit, rmsNorm, rmsNormInit } from '@seq/nn';
import type { CausalMixer, CostAt, LinearParams, RmsNormParams, RunOptions } from '@seq/nn';
import { matrixScan, scanCost } from '@seq/nn/scan';
import type { ScanAttrs } from '@seq/nn/scan';
import type { MemoryOptions } from './memory-options.js';
import { lookBack } from './look-back.js';

/** State of a mixer whose memory is a matrix for each head. */
export interface MatrixState {
  /** [B, H, K, V] */
  readonly S: Tensor;
  /** [B] i32 positions so far, where queries and keys turn with them */
  readonly position?: Tensor;
  /** [B, W − 1, 2 H K + H V] the last inputs of the short filter, oldest first, where there is one */
  readonly conv?: Tensor;
}

/** Heads of a mixer. */
export interface Heads {
  readonly H: number;
  /** Size of queries and keys. */
  readonly K: number;
  /** Size of values. */
  readonly V: number;
}

/** Options that every mixer of this room has. */
export interface HeadOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** Heads H. Default 1. */
  readonly numHeads?: number;
  /** K, size of queries and keys of a head. Default C / H. */
  readonly keyDim?: number;
  /** V, size of values of a head. Default C / H. */
  readonly valueDim?: number;
  /** L, positions between two states that are kept for the gradient. Default 64. */
  readonly chunkSize?: number;
  /** What the norm behind the reading adds to the mean square. Default 1e-5. */
  readonly normEps?: number;
}

/** Heads of a mixer, read from its options. */
export interface MixerHeads extends Heads {
  readonly chunkSize: number;
  readonly normEps: number;
}

/**
 * Reads the sizes of heads.
 *
 * @throws OptionError  a size that is no positive integer, heads that do not divide dModel where nothing else is said
 */
export function headsOf(
  fn: string,
  {
    dModel: C,
    numHeads: H = 1,
    keyDim = C / H,
    valueDim = C / H,
    chunkSize = 64,
    normEps = 1e-5,
  }: HeadOptions,
): MixerHeads {
  for (const [name, n] of Object.entries({ numHeads: H, keyDim, valueDim, chunkSize })) {
    if (Number.isInteger(n) && n > 0) continue;
    throw new OptionError(
      `${fn}: ${name} must be a positive integer, got ${n}. numHeads divides dModel = ${C} unless keyDim and valueDim are given.`,
    );
  }
  return { H, K: keyDim, V: valueDim, chunkSize, normEps };
}

/** Refuses a width of the short filter that is no whole number. */
export function checkFilter(fn: string, W: number): void {
  if (Number.isInteger(W) && W >= 0) return;
  throw new OptionError(`${fn}: convWidth must be a whole number, got ${W}. 0 leaves the filter out.`);
}

/** What a position does to the memory. Shapes as in `matrixScan`. */
export interface Operands {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly logDecay?: Tensor;
  readonly read?: Tensor;
}

/** What `operands` may ask of what came before. */
export interface OperandsPast {
  /** [B] i32, or absent from the first position on */
  readonly position?: Tensor;
  /** silu(filter(x)) of x [B, T, 2 H K + H V] with taps [2 H K + H V, W]: once, where the mixer has a filter. */
  filter(x: Tensor, taps: Tensor): Tensor;
}

/** Parameters behind the reading. */
export interface ReadoutParams {
  /** weight [V]; absent without a norm */
  readonly norm?: RmsNormParams;
  /** weight [H V, C]; absent without a gate */
  readonly gate?: LinearParams;
  /** weight [C, H V] */
  readonly out: LinearParams;
}

/** A mixer of this room. */
export interface MatrixMixer<P extends ReadoutParams> {
  /** `seq/` and the name of the mechanism. */
  readonly kind: string;
  readonly dModel: number;
  readonly heads: MixerHeads;
  /** Options of the mechanism for `spec`, beside those of heads. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly noDecay?: readonly string[];
  readonly gated: boolean;
  /** Terms of its recurrence, for the costs. */
  readonly terms: Pick<ScanAttrs, 'decay' | 'erase'>;
  /** Draws all but what `ReadoutParams` holds. */
  init(key: Key, o: TensorOptions): Omit<P, keyof ReadoutParams>;
  /** Rows and columns of the state, and how it is written and read, where that is not K, V and `matrixScan`. */
  readonly memory?: {
    readonly K: number;
    readonly V: number;
    scan(operands: Operands, o: MemoryOptions): [o: Tensor, S: Tensor];
  };
  /** False: no norm behind the reading. Default true. */
  readonly normed?: false;
  /** True when `operands` wants the position of the first x. */
  readonly turns?: true;
  /** W of a short filter that `operands` applies to queries, keys and values; absent or 0: none. */
  readonly convWidth?: number;
  /** x [B, T, C] → what its positions do. */
  operands(params: P, x: Tensor, past: OperandsPast): Operands;
  /** Of `operands`: parameters, multiply-adds of matrix products per position, other operations per position and once. */
  readonly cost: {
    readonly params: number;
    readonly products: number;
    readonly perPosition: number;
    once?(at: CostAt): number;
  };
}

/**
 * A mixer from what its positions do to a matrix:
 *
 *   o = matrixScan(q, k, v, …)    y = W_out (rmsNorm(o) ∘ silu(W_gate x))    per head
 *
 * Padding writes, erases and decays nothing; resets clear the state.
 */
export function defineMatrixMixer<P extends ReadoutParams>(m: MatrixMixer<P>): CausalMixer<P, MatrixState> {
  const { dModel: C, gated, normed = true } = m;
  const { H, K, V, chunkSize, normEps } = m.heads;
  const rows = m.memory?.K ?? K;
  const columns = m.memory?.V ?? V;
  const width = 2 * H * K + H * V;
  const span = Math.max((m.convWidth ?? 0) - 1, 0);

  const run = (
    params: P,
    x: Tensor,
    past: MatrixState | undefined,
    { lengths, resets }: RunOptions = {},
  ): [Tensor, MatrixState] => {
    const [B, T] = x.shape;
    let conv: Tensor | undefined;
    const operands = m.operands(params, x, {
      ...(past?.position && { position: past.position }),
      filter(inputs, taps) {
        const before = past?.conv ?? zeros([B, span, width], { dtype: x.dtype, device: x.device });
        const window = lookBack(inputs, before, { ...(lengths && { lengths }), ...(resets && { resets }) });
        conv = window.next;
        return silu(window.filter(taps));
      },
    });
    const [o, S] = (m.memory?.scan ?? scanMatrix)(withoutPadding(operands, lengths), {
      chunkSize,
      ...(past && { initial: past.S }),
      ...(resets && { resets }),
    });
    const heads = reshape(params.norm ? rmsNorm(o, params.norm, { eps: normEps }) : o, [B, T, H * V]);
    const y = params.gate ? mul(heads, silu(linear(x, params.gate))) : heads;
    const position = past?.position && add(past.position, lengths ?? T);
    return [linear(y, params.out), { S, ...(position && { position }), ...(conv && { conv }) }];
  };

  return defineMixer<P, MatrixState>({
    spec: {
      kind: m.kind,
      dModel: C,
      options: { numHeads: H, keyDim: K, valueDim: V, chunkSize, normEps, ...m.options },
    },
    ...(m.noDecay && { noDecay: m.noDecay }),
    honours: ['lengths', 'resets'],
    init(key, o = {}) {
      const [first, second, third] = split(key, 3);
      return {
        ...m.init(first, o),
        ...(normed && { norm: rmsNormInit(V, o) }),
        ...(gated && { gate: linearInit(second, C, H * V, { bias: false, ...o }) }),
        out: linearInit(third, H * V, C, { bias: false, ...o }),
      } as P;
    },
    initState: (B, o) => ({
      S: zeros([B, H, rows, columns], o),
      ...(span > 0 && { conv: zeros([B, span, width], o) }),
      ...(m.turns && { position: zeros([B], { ...o, dtype: 'i32' }) }),
    }),
    forward: (params, x, o) => run(params, x, undefined, o)[0],
    prefill: (params, x, state, o) => run(params, x, state, o),
    step(params, x, state) {
      const [y, next] = run(params, x.expandDims(1), state);
      return [y.squeeze(1), next];
    },
    cost(at) {
      const { B, T } = at;
      const readout = H * V * C * (gated ? 2 : 1);
      const scan = scanCost({ B, T, H, K: rows, V: columns }, m.terms);
      const matmulFlops = scan.matmulFlops + 2 * B * T * (m.cost.products + readout);
      return {
        params: m.cost.params + readout + (normed ? V : 0),
        matmulFlops,
        flops:
          matmulFlops +
          (scan.flops - scan.matmulFlops) +
          B * T * (m.cost.perPosition + ((normed ? 4 : 0) + (gated ? 2 : 0)) * H * V) +
          (T > 0 ? (m.cost.once?.(at) ?? 0) : 0),
        stateFloats: B * (H * rows * columns + span * width),
      };
    },
  });
}

/** Writes and reads as `matrixScan` does. */
function scanMatrix({ q, k, v, logDecay, read }: Operands, o: MemoryOptions): [Tensor, Tensor] {
  return matrixScan(q, k, v, { ...o, ...(logDecay && { logDecay }), ...(read && { erase: { read } }) });
}

/** [B, T, H D] → [B, T, H, D] */
export function splitHeads(x: Tensor, H: number): Tensor {
  const [B, T, width] = x.shape;
  return reshape(x, [B, T, H, width / H]);
}

/** Operands in which positions at and behind `lengths` [B] leave the memory as it was. */
export function withoutPadding(all: Operands, lengths: Tensor | undefined): Operands {
  if (!lengths) return all;
  const { q, k, v, logDecay, read } = all;
  const T = k.shape[1];
  const valid = lt(arange(0, T, 1, { dtype: 'i32', device: k.device }), expandDims(lengths, 1)); // [B, T]
  const kept = (x: Tensor): Tensor =>
    where(reshape(valid, [...valid.shape, ...new Array<number>(x.ndim - 2).fill(1)]), x, 0);
  return {
    q,
    v,
    k: kept(k),
    ...(logDecay && { logDecay: kept(logDecay) }),
    ...(read && { read: kept(read) }),
  };
}
