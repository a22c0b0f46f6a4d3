import { DeviceError, show } from '@seq/tensor';
import type { DType } from '@seq/tensor';
import type {
  GpuCall,
  GpuKernels,
  GpuLimits,
  GpuPlan,
  GpuVariant,
  GpuView,
  Layout,
  Op,
} from '@seq/tensor/engine';
import { gpuKernelsOf, isContiguous, stridesOf } from '@seq/tensor/engine';

/** A kernel picked for a call. */
export interface Choice {
  readonly variant: GpuVariant<unknown>;
  readonly plan: GpuPlan;
}

/** The largest power of two, up to 64, that divides an element's place. */
export function alignment(offset: number): number {
  return offset === 0 ? 64 : Math.min(64, offset & -offset);
}

/** An operand as kernels see it. */
export function viewOf(dtype: DType, layout: Layout, aligned: number = alignment(layout.offset)): GpuView {
  const { shape } = layout;
  return { dtype, shape, strides: isContiguous(layout) ? stridesOf(shape) : layout.strides, aligned };
}

/** Ops made for a number of operands share their name, and what is wrong with one is wrong with all. */
const nameOf = (op: Op, variant: GpuVariant<unknown>): string => `${op.name}/${variant.name}`;

/** Picks the first variant of an op's kernels that suits a call and was not demoted. */
export class Chooser {
  readonly limits: GpuLimits;
  readonly #kernels: ReadonlyMap<Op, GpuKernels<unknown>>;
  readonly #demoted = new Set<string>();
  #watched: Set<Op> | null = null;
  #forced: { readonly op: Op; readonly variant: GpuVariant<unknown>; used: boolean } | null = null;

  constructor(limits: GpuLimits, kernels: ReadonlyMap<Op, GpuKernels<unknown>>) {
    this.limits = limits;
    this.#kernels = kernels;
  }

  /** @throws DeviceError  when they are not loaded yet */
  kernelsOf(op: Op): GpuKernels<unknown> | undefined {
    return this.#kernels.get(op) ?? gpuKernelsOf(op);
  }

  /** From now on the variant is not chosen where another one suits, nor its namesake of ops of the same name. */
  demote(op: Op, variant: GpuVariant<unknown>): void {
    this.#demoted.add(nameOf(op, variant));
  }

  isDemoted(op: Op, variant: GpuVariant<unknown>): boolean {
    return this.#demoted.has(nameOf(op, variant));
  }

  /** The ops for which kernels are sought while `f` runs. */
  watch(f: () => void): ReadonlySet<Op> {
    const watched = (this.#watched = new Set<Op>());
    try {
      f();
    } finally {
      this.#watched = null;
    }
    return watched;
  }

  /** The variants that suit a call, best first; a demoted one only when nothing else does. */
  variants(op: Op, call: GpuCall<unknown>): GpuVariant<unknown>[] {
    this.#watched?.add(op);
    const suited = (this.kernelsOf(op)?.variants ?? []).filter((v) => v.supports(call, this.limits) === true);
    const sound = suited.filter((v) => !this.isDemoted(op, v));
    return sound.length > 0 || op.reference !== undefined ? sound : suited;
  }

  /**
   * While `f` runs, calls of the op use this variant wherever it suits.
   *
   * @returns whether it was used
   */
  force(op: Op, variant: GpuVariant<unknown>, f: () => void): boolean {
    const forced = { op, variant, used: false };
    this.#forced = forced;
    try {
      f();
    } finally {
      this.#forced = null;
    }
    return forced.used;
  }

  /** @throws DeviceError when no variant suits, with the reason of each */
  choose(op: Op, call: GpuCall<unknown>): Choice {
    const forced = this.#forced;
    if (forced?.op === op && forced.variant.supports(call, this.limits) === true) {
      forced.used = true;
      return { variant: forced.variant, plan: forced.variant.plan(call, this.limits) };
    }
    const variant = this.variants(op, call)[0];
    if (variant === undefined) {
      const reasons = (this.kernelsOf(op)?.variants ?? []).map(
        (v) => `${v.name}: ${v.supports(call, this.limits)}`,
      );
      throw new DeviceError(
        `${op.name}: the WebGPU device must have a kernel for ${call.inputs.map((x) => `${x.dtype} ${show(x.shape)}`).join(', ')}, it has none (${reasons.join('; ') || 'no variant'}). Run it on the CPU, or cast() the operands.`,
      );
    }
    return { variant, plan: variant.plan(call, this.limits) };
  }
}
