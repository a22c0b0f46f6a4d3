import { cloneTree, SpecError, treeLeaves } from '@seq/tensor';
import type { Device, DType, Key, Tensor, TensorOptions } from '@seq/tensor';
import { checkAlive, defineCausal, defineNoncausal } from './mixer-run.js';

/** What identifies a mixer: plain JSON, saved beside the weights and shown in tables. */
export interface MixerSpec {
  /** Owner and mechanism, such as `seq/gru`. */
  readonly kind: string;
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** The factory's other options; `factory({ dModel, ...options })` builds the same mixer. */
  readonly options: unknown;
}

/**
 * Counted work and memory. Conventions: a multiply-add of a matrix product or convolution is 2;
 * an elementwise op 1 per output element; a reduction 1 per input element; softmax and logSumExp 4
 * per element; cumsum 1; moving data 0.
 */
export interface Cost {
  /** Number of parameters. */
  readonly params: number;
  /** The part of `flops` done by matrix products and convolutions. */
  readonly matmulFlops: number;
  /** All floating-point operations, `matmulFlops` included. */
  readonly flops: number;
  /** Elements of the recurrent state for the whole batch. */
  readonly stateFloats: number;
}

/** Where a cost is asked for. */
export interface CostAt {
  readonly B: number;
  /** Positions; a `step` always has one. */
  readonly T: number;
  readonly form: 'forward' | 'prefill' | 'step';
  /** Positions already in the state (caches). */
  readonly past?: number;
}

/** Options of one run. Time axes are absent in `step`. */
export interface RunOptions {
  /**
   * `[B]` i32: positions of this call that count in each row; the rest gives 0 and leaves the state as it was.
   * Beyond 0 … T it means 0 or T; a mechanism sees it cut to that range.
   */
  readonly lengths?: Tensor;
  /** `[B, T]` bool (`[B]` in `step`): true = the state starts anew before this position (packed documents). */
  readonly resets?: Tensor;
  /** Randomness for dropout and hashing; without it both are off or fixed. Mixers without randomness ignore it. */
  readonly key?: Key;
  /** `[B, S, C]`: what cross-attention looks at. */
  readonly context?: Tensor;
}

/** Name of a run option. */
export type RunOption = keyof RunOptions;

/** What every mixer has. */
export interface MixerCommon<P> {
  readonly spec: MixerSpec;
  /** Paths of parameters without weight decay; see `decayMask`. */
  readonly noDecay?: readonly string[];
  /** True when the train form runs T dependent steps. */
  readonly serial?: true;
  /** Receptive field in positions, the present one included, when it is finite. */
  readonly reach?: number;
  /** Run options that have their effect here; others are refused, except `key`, which a mixer without randomness ignores. */
  readonly honours: readonly RunOption[];
  /** Parameters, on the device of the key unless told otherwise. */
  init(key: Key, o?: TensorOptions): P;
  /** Train form, all positions at once: `[B, T, C] → [B, T, C]`. */
  forward(params: P, x: Tensor, o?: RunOptions): Tensor;
  cost(at: CostAt): Cost;
}

/** How states are made. */
export interface StateOptions {
  readonly device?: Device;
  readonly dtype?: DType;
  /** Most positions a cache must hold. */
  readonly maxLength?: number;
}

/** A mixer that sees the past only, with an inference form. Every leaf of a state is `[B, …]`, or a scalar shared by all rows. */
export interface CausalMixer<P, S> extends MixerCommon<P> {
  readonly causal: true;
  initState(batch: number, o?: StateOptions): S;
  /** Train form with a carry: prompts, chunks, truncated backpropagation. `[B, T, C] → [B, T, C]`; the state is moved in. */
  prefill(params: P, x: Tensor, state: S, o?: RunOptions): [y: Tensor, state: S];
  /** Inference form, one position: `[B, C] → [B, C]`; the state is moved in. */
  step(params: P, x: Tensor, state: S, o?: RunOptions): [y: Tensor, state: S];
}

/** A mixer that sees the whole sequence. */
export interface NoncausalMixer<P> extends MixerCommon<P> {
  readonly causal: false;
}

/** Any mixer. Parameters and states are contravariant, so lists of unlike mixers need the `any` of these defaults. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Mixer<P = any, S = any> = CausalMixer<P, S> | NoncausalMixer<P>;

interface DefinitionCommon<P> {
  readonly spec: MixerSpec;
  readonly noDecay?: readonly string[];
  readonly serial?: true;
  readonly reach?: number;
  /**
   * Run options that `forward` and `prefill` as given here handle themselves. What is not listed is derived where
   * that gives the right answer (`lengths`, `resets`) and refused where it does not (`context`). A causal `forward`
   * never sees `lengths`; `step` sees `lengths` and `resets` only when its state has a leaf without rows, so that
   * they cannot be derived.
   */
  readonly honours?: readonly RunOption[];
  init(key: Key, o?: TensorOptions): P;
  cost(at: CostAt): Cost;
}

/** What a causal mechanism tells `defineMixer`; only `step` is needed of the three forms. */
export interface CausalDefinition<P, S> extends DefinitionCommon<P> {
  readonly causal?: true;
  initState(batch: number, o?: StateOptions): S;
  step(params: P, x: Tensor, state: S, o?: RunOptions): [y: Tensor, state: S];
  prefill?(params: P, x: Tensor, state: S, o?: RunOptions): [y: Tensor, state: S];
  forward?(params: P, x: Tensor, o?: RunOptions): Tensor;
}

/** What a noncausal mechanism tells `defineMixer`. */
export interface NoncausalDefinition<P> extends DefinitionCommon<P> {
  readonly causal: false;
  forward(params: P, x: Tensor, o?: RunOptions): Tensor;
}

/**
 * Completes a definition into a mixer: derives what is missing, checks what comes in, moves states.
 *
 * - `prefill`, when absent, folds `step` over time by `scan`: `(y_t, s_t) = step(x_t, s_{t−1})`. With a `key`,
 *   position t of the call gets `foldIn(key, t)`.
 * - `forward`, when absent, is `prefill` from `initState`.
 * - `lengths` and `resets` that the definition does not honour are derived: a row's state is chosen at every
 *   position between the new one, the old one (`t ≥ length`) and the initial one (`resets`). This needs `[B, …]`
 *   leaves. `forward` needs no loop for `lengths`, since a causal mixer never looks at what follows.
 * - Padding is hidden from the mechanism: at positions `≥ length` it is shown zeros, and what it answers is replaced by 0.
 *
 * @throws OptionError  a spec without `kind` or with a `dModel` that is no positive integer; run options that cannot be honoured
 * @throws ShapeError   x, state, lengths or resets of the wrong shape
 * @throws StateError   `state-moved`: a state given to a second `step` or `prefill`
 */
export function defineMixer<P>(definition: NoncausalDefinition<P>): NoncausalMixer<P>;
export function defineMixer<P, S>(definition: CausalDefinition<P, S>): CausalMixer<P, S>;
export function defineMixer<P, S>(definition: CausalDefinition<P, S> | NoncausalDefinition<P>): Mixer<P, S> {
  return definition.causal === false ? defineNoncausal(definition) : defineCausal(definition);
}

/**
 * Forks a state: new handles to the same values, so that one branch can go on without killing the other.
 *
 * @throws StateError  `state-moved`: the state was already used by an earlier step
 */
export function cloneState<S>(state: S): S {
  checkAlive('cloneState', state);
  return cloneTree(state);
}

/** A mixer together with its parameters. */
export interface BoundNoncausal<P> {
  readonly mixer: NoncausalMixer<P>;
  readonly params: P;
  forward(x: Tensor, o?: RunOptions): Tensor;
  cost(at: CostAt): Cost;
}

/** A causal mixer together with its parameters; states are made on the device and in the dtype of these. */
export interface BoundCausal<P, S> {
  readonly mixer: CausalMixer<P, S>;
  readonly params: P;
  forward(x: Tensor, o?: RunOptions): Tensor;
  initState(batch: number, o?: StateOptions): S;
  prefill(x: Tensor, state: S, o?: RunOptions): [y: Tensor, state: S];
  step(x: Tensor, state: S, o?: RunOptions): [y: Tensor, state: S];
  cost(at: CostAt): Cost;
}

/** Ties parameters to a mixer, for those who would rather not carry them: `bind(gru, params).step(x, state)`. */
export function bind<P, S>(mixer: CausalMixer<P, S>, params: P): BoundCausal<P, S>;
export function bind<P>(mixer: NoncausalMixer<P>, params: P): BoundNoncausal<P>;
export function bind<P, S>(mixer: Mixer<P, S>, params: P): BoundCausal<P, S> | BoundNoncausal<P> {
  if (!mixer.causal) {
    return {
      mixer,
      params,
      forward: (x, o) => mixer.forward(params, x, o),
      cost: (at) => mixer.cost(at),
    };
  }
  const [first] = treeLeaves(params);
  const like: StateOptions = first ? { device: first.device, dtype: first.dtype } : {};
  return {
    mixer,
    params,
    forward: (x, o) => mixer.forward(params, x, o),
    initState: (batch, o) => mixer.initState(batch, { ...like, ...o }),
    prefill: (x, state, o) => mixer.prefill(params, x, state, o),
    step: (x, state, o) => mixer.step(params, x, state, o),
    cost: (at) => mixer.cost(at),
  };
}

/** Makes a mixer from options: `gru`, `attention`, … */
export type MixerFactory = (options: never) => Mixer;

/**
 * Builds the mixer that a saved spec describes, from factories that the caller names.
 *
 * @param spec       `{ kind, dModel, options }`, as parsed from JSON
 * @param factories  `{ 'seq/gru': gru, … }`, or a list `[gru, attention]` whose members are asked in turn
 * @throws SpecError  a malformed spec, a kind that no factory makes, options that its factory refuses
 */
export function fromSpec(
  spec: unknown,
  factories: readonly MixerFactory[] | { readonly [kind: string]: MixerFactory },
): Mixer {
  const { kind, dModel, options } = readSpec(spec);
  const build = (factory: MixerFactory): Mixer => (factory as (o: object) => Mixer)({ ...options, dModel });

  if (!isList(factories)) {
    const factory = Object.hasOwn(factories, kind) ? factories[kind] : undefined;
    if (!factory) throw unknownKind(kind, Object.keys(factories));
    let mixer: Mixer;
    try {
      mixer = build(factory);
    } catch (cause) {
      throw refused(kind, cause);
    }
    if (mixer.spec.kind === kind) return mixer;
    throw new SpecError(
      `fromSpec: the factory listed as '${kind}' must make that kind, it made '${mixer.spec.kind}'. Correct the list of factories.`,
    );
  }

  const seen: string[] = [];
  let failure: unknown;
  for (const factory of factories) {
    try {
      const mixer = build(factory);
      if (mixer.spec.kind === kind) return mixer;
      seen.push(mixer.spec.kind);
    } catch (cause) {
      failure ??= cause; // a factory of another kind may well refuse these options
    }
  }
  throw unknownKind(kind, seen, failure);
}

function readSpec(spec: unknown): { kind: string; dModel: number; options: object } {
  const { kind, dModel, options } = (typeof spec === 'object' && spec ? spec : {}) as Partial<MixerSpec>;
  const plain = options === undefined || (typeof options === 'object' && options !== null);
  if (typeof kind !== 'string' || !Number.isInteger(dModel) || !plain) {
    throw new SpecError(
      `fromSpec: a spec must be { kind: string, dModel: integer, options: object }, got ${JSON.stringify(spec)}. Pass mixer.spec, or its JSON parsed again.`,
    );
  }
  return { kind, dModel: dModel as number, options: options ?? {} };
}

function isList(
  factories: readonly MixerFactory[] | { readonly [kind: string]: MixerFactory },
): factories is readonly MixerFactory[] {
  return Array.isArray(factories);
}

function unknownKind(kind: string, known: readonly string[], failure?: unknown): SpecError {
  const list = known.length > 0 ? known.join(', ') : 'none';
  const refusal = failure === undefined ? '' : ` and one refused the options (${messageOf(failure)})`;
  const error = new SpecError(
    `fromSpec: no factory makes kind '${kind}', the factories given make ${list}${refusal}. Add the one that does.`,
  );
  error.cause = failure;
  return error;
}

function refused(kind: string, cause: unknown): SpecError {
  const error = new SpecError(
    `fromSpec: the factory of '${kind}' refused the saved options: ${messageOf(cause)} Use the version that wrote them, or mend the options.`,
  );
  error.cause = cause;
  return error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
