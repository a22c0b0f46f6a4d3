import type { DType, Device, Tensor } from '@seq/tensor';
import type { Mixer } from '@seq/nn';
import type { HostArray, HostRandom } from './host.js';

/** A device as the laws see it. */
export interface TestDevice {
  /** `cpu`, `webgpu`, … */
  readonly kind: string;
  /** The device, or null where the machine has none. */
  readonly device: Device | null;
  /** Why there is none; shown with the skipped tests. */
  readonly reason?: string;
  /** Float types to judge in, strictest first. */
  readonly dtypes: readonly DType[];
  /**
   * A device of this kind that nobody else uses.
   *
   * `poison`: recycled memory is filled with NaN. `references`: ops run as their references.
   * Null where the kind cannot do that.
   */
  fresh(o?: { poison?: boolean; references?: boolean }): Promise<Device | null>;
}

/** What a difference may be, relative to the largest magnitude of the value compared. */
export interface Tolerances {
  /** Two forms of one mechanism in f32. Default 1e-4. */
  readonly f32: number;
  /** Two forms of one mechanism in f64. Default 1e-9. */
  readonly f64: number;
  /** What a later input may change in an earlier output. Default 0; transform (FFT) forms leak rounding. */
  readonly causality: number;
  /** Gradient in f64 against central differences. Default 1e-6. */
  readonly gradient: number;
  /** Fused f32 gradients against those in f64. Default 1e-3. */
  readonly gradientF32: number;
  /** Learned cross-entropy above the entropy of the source, in nats per symbol. Default 0.05. */
  readonly learn: number;
}

/** Values by name. */
export type Named<T> = Readonly<Record<string, T>>;

/** The pure op of a mechanism beside its definition. */
export interface Core {
  /** Inputs for B sequences of length T; floats are differentiated, integers and booleans are not. */
  inputs(at: { B: number; T: number; random: HostRandom }): Named<HostArray>;
  /** The op on tensors. One output may be returned bare; it is then called `y`. */
  op(inputs: Named<Tensor>): Tensor | Named<Tensor>;
  /** The definition in float64, outputs named as those of `op`. */
  naive(inputs: Named<HostArray>): Float64Array | Named<Float64Array>;
}

/** The definition of a whole mixer in float64: from parameters by path and input [B, T, C] to output [B, T, C]. */
export type NaiveMixer = (params: Named<HostArray>, x: HostArray) => Float64Array;

/** Builds a mixer from its options. */
export type MixerFactory<O> = (options: O) => Mixer;

/** What `conformance` and `judge` take beside the factory. */
export interface ConformanceOptions<O> {
  /** Options of a small instance: wide enough to hold the mechanism, small enough for finite differences. */
  readonly small: O;
  /** Options of the instance that has to learn; default `small` with `dModel` at least 16. */
  readonly learn?: O;
  /** Sequence lengths of the agreement law, beside those around the borders of the mechanism. */
  readonly lengths?: readonly number[];
  readonly core?: Core;
  readonly naive?: NaiveMixer;
  readonly tolerances?: Partial<Tolerances>;
  /** Name in messages; default the last part of `spec.kind`. */
  readonly name?: string;
}

/** What a law knows beside the mixer. */
export interface LawContext {
  readonly name: string;
  readonly on: TestDevice;
  /** The device of `on`, which is there. */
  readonly device: Device;
  readonly tolerances: Tolerances;
  /** Lengths of the agreement law. */
  readonly lengths: readonly number[];
  /** Distance of the borders where a carry passes: the chunk, window or kernel size of the mechanism. */
  readonly border: { readonly size: number; readonly name: string } | null;
  readonly core?: Core;
  readonly naive?: NaiveMixer;
  /** Builds the mixer again from options of its kind. */
  readonly factory?: MixerFactory<never>;
  /** The mixer that has to learn; default the one judged. */
  readonly learner?: Mixer;
}

/** A law: resolves when the mixer keeps it, rejects with a `LawError` when it does not. */
export type Law = (mixer: Mixer, context: LawContext) => Promise<void>;
