import type { Tensor } from '../tensor.js';
import type { Aval, TypedArray } from './dtype.js';
import type { GpuKernels } from './gpu.js';
import type { Layout } from './layout.js';

/** One operand of a CPU kernel: a typed array and the layout of the elements in it (strides in elements). */
export interface CpuView {
  data: TypedArray;
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
}

/** What a CPU kernel gets. Outputs are contiguous from their offset and hold garbage: write every element. */
export interface CpuCall<A> {
  readonly inputs: readonly CpuView[];
  readonly outputs: readonly CpuView[];
  readonly attrs: A;
  /** `scratch(...)` bytes of uninitialised memory, aligned to 8; empty when the op asks for none. */
  readonly scratch: Float64Array;
  /** Survives between replays of one plan instruction; a kernel may keep prepared things here. */
  readonly memo: { value?: unknown };
  /** Address of the second input in packed columns where the device keeps it so, as weights that decode; else 0 or absent. */
  packed?: number;
  /** What runs the kernel; for kernels that run programs of their own. */
  readonly context?: {
    readonly checkNumerics: boolean;
    readonly poison: boolean;
    readonly step: string | null;
  };
}

/** Counted work of one call. A multiply-add is 2; see `@seq/nn` `Cost` for the other conventions. */
export interface OpCost {
  readonly flops: number;
  /** The part of `flops` done by matrix products and convolutions. */
  readonly matmulFlops?: number;
}

/** What a gradient rule gets. It answers with operations on tensors, so that it can be differentiated again. */
export interface VjpCall<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Gradient of the loss by each output; null where the loss does not depend on it. At least one is given. */
  readonly cotangents: readonly (Tensor | null)[];
  readonly attrs: A;
  /** Which inputs a gradient is wanted for; answer null for the others. */
  readonly needs: readonly boolean[];
}

/**
 * An operation as a value: its shape rule and its implementations.
 *
 * A primitive has kernels. Any other op has a `reference` (a composite of ops: differentiable,
 * works on every device, the oracle of its kernels) and optionally fast kernels and a `vjp` of its own.
 */
// eslint-disable-next-line -- `any` default: lists of unlike ops need a bivariant attrs type.
export interface Op<A = any> {
  readonly name: string;
  /** Shape rule: the only place where shapes and dtypes are checked. Throws at the caller's line. */
  infer(inputs: readonly Aval[], attrs: A): Aval | readonly Aval[];
  /** For ops that only look at the same elements differently: the new layout, or undefined when a copy is needed. */
  view?(input: Layout, attrs: A): Layout | undefined;
  /** CPU kernel. Inputs come contiguous unless `strided`. */
  cpu?(call: CpuCall<A>): void;
  /** True when `cpu` honours the strides of its inputs. */
  readonly strided?: boolean;
  /**
   * Inputs whose buffer an output may take over when nobody else reads it (same size, read at i before write
   * at i): an input for output 0, or a pair [output, input].
   */
  readonly inplace?: readonly (number | readonly [output: number, input: number])[];
  /** True when a kernel may throw on what the data holds; its message then names the line that recorded it. */
  readonly throws?: boolean;
  /** Bytes of scratch memory that `cpu` wants. */
  scratch?(inputs: readonly Aval[], attrs: A): number;
  /** WebGPU kernels, or what gives them once `lazyKernels` has them; those of this package's own ops come with the device. */
  readonly webgpu?: GpuKernels<A> | (() => GpuKernels<A>);
  reference?(inputs: readonly Tensor[], attrs: A): Tensor | readonly Tensor[];
  vjp?(call: VjpCall<A>): readonly (Tensor | null)[];
  cost?(inputs: readonly Aval[], outputs: readonly Aval[], attrs: A): OpCost;
}

/**
 * Declares an op. Anyone may, in any package; nothing is registered.
 *
 * @throws nothing; a wrong op shows itself when it is applied.
 */
export function defineOp<A>(op: Op<A>): Op<A> {
  return op;
}

/** The pairs [output, input] of an op's `inplace`. */
export function inplacePairs(op: Op): readonly (readonly [output: number, input: number])[] {
  return (op.inplace ?? []).map((e) => (typeof e === 'number' ? ([0, e] as const) : e));
}
