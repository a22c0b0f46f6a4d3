import { OptionError } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { Cost, CostAt } from '@seq/nn';
import type { AttendOptions } from './op.js';

/** What an `AttentionCore` is told beside q, k and v. */
export interface CoreOptions extends AttendOptions {
  /** Keys are a cache: row b sees the positions from `first` [B] i32 on, its first query stands at `position` [B] i32. */
  readonly past?: { readonly position: Tensor; readonly first: Tensor; readonly ring?: number };
}

/** Softmax attention by another way: `flashAttention` of `@seq/flash`, or a function of one's own that gives the same. */
export type AttentionCore = (q: Tensor, k: Tensor, v: Tensor, options: CoreOptions) => Tensor;

/** Rotary position embedding of queries and keys. */
export interface RotarySettings {
  /** Wavelengths run from 2π to about 2π · base. Default 10000. */
  readonly base?: number;
  /** False pairs (i, i + R/2), true pairs (2i, 2i + 1). Default false. */
  readonly interleaved?: boolean;
  /** R, how many leading channels of each head turn; even, at most headDim. Default headDim. */
  readonly rotaryDim?: number;
}

/** Options of the `attention` mixer. */
export interface AttentionOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** Query heads H. */
  readonly numHeads: number;
  /** Key-value heads G, a divisor of H; 1 is multi-query attention. Default H. */
  readonly numKvHeads?: number;
  /** Channels D of a head. Default C / H. */
  readonly headDim?: number;
  /** Rotary position embedding; false with `alibi` false leaves the mixer without any notion of position. Default true, false with `alibi`. */
  readonly rope?: boolean | RotarySettings;
  /** Linear biases by distance, with the slopes of `alibiSlopes(numHeads)`. Default false. */
  readonly alibi?: boolean;
  /** W, positions seen in all, the present one included; the state is then a ring of W slots. Absent: the whole past. */
  readonly windowSize?: number;
  /** Bends scores into ±softcap by softcap · tanh(s / softcap). Absent: no bound. */
  readonly softcap?: number;
  /** A learned score per query head that takes its share of every softmax and gives nothing, 0 at `init`. Default false. */
  readonly sinks?: boolean;
  /** Factor of the scores. Default 1/√D. */
  readonly scale?: number;
  /** Bias of the query, key and value projections. Default true. */
  readonly bias?: boolean;
  /** Bias of the output projection. Default `bias`. */
  readonly outBias?: boolean;
  /** Standard deviation of all matrices at `init`, 0.02 in GPT-2. Absent: as PyTorch's MultiheadAttention. */
  readonly initStd?: number;
  /** Slots M of a cache that `initState` makes without `maxLength`; a window has its own. Default 1024. */
  readonly maxLength?: number;
  /**
   * What computes attention, by value; no part of the spec. Default `attend` and, behind a cache, `attendCached`. Costs
   * count only pairs that are seen where they are known, as such a core skips the others.
   */
  readonly core?: AttentionCore;
}

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly C: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly rope: Required<RotarySettings> | false;
  readonly alibi: boolean;
  readonly windowSize?: number;
  readonly softcap?: number;
  readonly sinks: boolean;
  readonly scale: number;
  readonly bias: boolean;
  readonly outBias: boolean;
  readonly initStd?: number;
  readonly maxLength: number;
  readonly core?: AttentionCore;
}

/** @throws OptionError  numbers of heads that do not fit, sizes that are not positive integers */
export function resolveOptions(options: AttentionOptions, fn = 'attention'): ResolvedOptions {
  const {
    dModel: C,
    numHeads: H,
    numKvHeads: G = H,
    alibi = false,
    rope = !alibi,
    windowSize,
    softcap,
    sinks = false,
    bias = true,
    outBias = bias,
    initStd,
    maxLength = 1024,
    core,
  } = options;
  const D = options.headDim ?? C / H;
  positive(fn, 'numHeads', H, 'Give the number of query heads.');
  positive(fn, 'numKvHeads', G, 'Leave it out for one per query head.');
  if (H % G !== 0)
    throw new OptionError(
      `${fn}: numKvHeads must divide numHeads = ${H}, got ${G}. Values that work: ${divisors(H).join(', ')}.`,
    );
  if (options.headDim === undefined && C % H !== 0)
    throw new OptionError(
      `${fn}: numHeads must divide dModel = ${C}, got ${H}. Give headDim, or take one of ${divisors(C).join(', ')}.`,
    );
  positive(fn, 'headDim', D, 'Leave it out for dModel / numHeads.');
  positive(fn, 'maxLength', maxLength, 'Give the most positions a cache must hold.');
  if (windowSize !== undefined)
    positive(
      fn,
      'windowSize',
      windowSize,
      'It counts the present position too; leave it out for the whole past.',
    );
  if (softcap !== undefined && !(softcap > 0 && softcap < Infinity))
    throw new OptionError(
      `${fn}: softcap must be positive and finite, got ${softcap}. Leave it out for no bound.`,
    );
  const { scale = 1 / Math.sqrt(D) } = options;
  if (!Number.isFinite(scale))
    throw new OptionError(`${fn}: scale must be finite, got ${scale}. Leave it out for 1/√headDim.`);
  if (initStd !== undefined && !(initStd > 0))
    throw new OptionError(
      `${fn}: initStd must be positive, got ${initStd}. GPT-2 takes 0.02; leave it out for PyTorch's.`,
    );
  return {
    C,
    H,
    G,
    D,
    rope: rotary(fn, rope, D),
    alibi,
    sinks,
    scale,
    bias,
    outBias,
    maxLength,
    ...(windowSize !== undefined && { windowSize }),
    ...(softcap !== undefined && { softcap }),
    ...(initStd !== undefined && { initStd }),
    ...(core && { core }),
  };
}

function rotary(fn: string, rope: boolean | RotarySettings, D: number): Required<RotarySettings> | false {
  if (rope === false) return false;
  const { base = 10000, interleaved = false, rotaryDim = D } = rope === true ? {} : rope;
  if (!(base > 0))
    throw new OptionError(`${fn}: rope.base must be positive, got ${base}. Leave it out for 10000.`);
  if (!Number.isInteger(rotaryDim) || rotaryDim < 2 || rotaryDim % 2 !== 0 || rotaryDim > D)
    throw new OptionError(
      `${fn}: rope.rotaryDim must be even and at most headDim = ${D}, got ${rotaryDim}. Choose heads of even width, or rope: false.`,
    );
  return { base, interleaved, rotaryDim };
}

/** The options that a saved spec holds. */
export function specOptions(o: ResolvedOptions): Omit<AttentionOptions, 'dModel'> {
  return {
    numHeads: o.H,
    numKvHeads: o.G,
    headDim: o.D,
    rope: o.rope,
    alibi: o.alibi,
    sinks: o.sinks,
    scale: o.scale,
    bias: o.bias,
    outBias: o.outBias,
    maxLength: o.maxLength,
    ...(o.windowSize !== undefined && { windowSize: o.windowSize }),
    ...(o.softcap !== undefined && { softcap: o.softcap }),
    ...(o.initStd !== undefined && { initStd: o.initStd }),
  };
}

/**
 * Cost of a call. `forward` looks at T keys, `prefill` and `step` at a cache of `past + T` slots, all of which a
 * plan counts, seen or not; with a window `prefill` looks at W + T and `step` at W.
 */
export function attentionCost(o: ResolvedOptions, { B, T, form, past = 0 }: CostAt): Cost {
  const { C, H, G, D, windowSize: W } = o;
  const [inner, outer] = [(H + 2 * G) * D, H * D];
  const S = form === 'forward' ? T : W === undefined ? past + T : form === 'step' ? W : W + T;
  const pairs = B * H * (o.core && form === 'forward' ? seenPairs(T, W) : T * S);
  const matmulFlops = 2 * B * T * C * (inner + outer) + 4 * pairs * D;
  const biases = B * T * ((o.bias ? inner : 0) + (o.outBias ? C : 0));
  const softmax = o.core ? 4 * pairs + B * T * H * D : 5 * pairs; // and the scale: of queries, of scores
  const bent = (o.softcap === undefined ? 0 : 3 * pairs) + (o.alibi ? pairs : 0);
  const half = o.rope ? o.rope.rotaryDim / 2 : 0;
  const tables = 2 * 3 * half * T * (form === 'forward' ? 1 : B);
  const turns = 6 * half * B * T * (H + G);
  return {
    params: C * inner + (o.bias ? inner : 0) + C * outer + (o.outBias ? C : 0) + (o.sinks ? H : 0),
    matmulFlops,
    flops: matmulFlops + biases + softmax + bent + unfused(o, { B, T, form }, S, pairs) + tables + turns,
    stateFloats: 2 * B * (W ?? (form === 'forward' ? T : S)) * G * D,
  };
}

/** Pairs of query and key of one head in `forward`, those that nobody sees left out. */
function seenPairs(T: number, W: number = T): number {
  const whole = Math.min(T, W);
  return (whole * (whole + 1)) / 2 + (T - whole) * W;
}

/** What masks, distances and sinks cost, which is more where no kernel does them inside: in `forward`, and in `prefill` behind a ring. */
function unfused(o: ResolvedOptions, { B, T, form }: CostAt, S: number, pairs: number): number {
  const { H, D, windowSize: W } = o;
  const rows = B * T * H;
  const ring = form === 'prefill' && W !== undefined;
  if (o.core) {
    const places = ring ? B * (8 * W + T) : form === 'step' && W !== undefined ? B : 0;
    return places + (o.alibi ? pairs : 0) + (o.sinks ? 2 * rows + rows * D : 0);
  }
  if (form !== 'forward' && !ring) {
    const slots = form === 'step' && W !== undefined ? B : 0; // where in the ring
    return slots + (o.alibi ? pairs : 0) + (o.sinks ? 4 * rows : 0);
  }
  const sinks = o.sinks ? 4 * pairs + 2 * rows + rows * D : 0;
  const places = T * S * (ring ? B : 1); // heads share masks and distances
  const masks = pairs + places * (W === undefined ? 1 : ring ? 6 : 3);
  const alibi = o.alibi ? places * (ring ? 1 : 2) + places * H : 0;
  return sinks + masks + alibi + (ring ? B * (8 * W + T) : 0);
}

function positive(fn: string, name: string, n: number, remedy: string): void {
  if (!Number.isInteger(n) || n < 1)
    throw new OptionError(`${fn}: ${name} must be a positive integer, got ${n}. ${remedy}`);
}

function divisors(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
}
