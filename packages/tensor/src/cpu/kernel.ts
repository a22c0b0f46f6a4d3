import type { CpuCall, CpuView } from '../engine/op.js';
import type { Op } from '../engine/op.js';
import { sizeOf, isFloat } from '../engine/dtype.js';
import type { Aval } from '../engine/dtype.js';
import { NumericsError, SeqError, show } from '../engine/errors.js';
import type { Node } from '../engine/value.js';
import { siteOf } from '../engine/value.js';
import type { Kernels } from '../wasm/kernels.js';
import type { Heap, KernelModule } from './heap.js';

/** What a kernel run needs to know of the device. */
export interface KernelContext {
  readonly checkNumerics: boolean;
  readonly poison: boolean;
  readonly step: string | null;
  /** Where all operands of its kernels lie; null when they are loops over typed arrays. */
  readonly heap: Heap | null;
}

/**
 * The WebAssembly kernels that a call may use, those of this package or of another; its operands then lie in their
 * memory. Ask anew in every call.
 */
export function kernelsOf(call: CpuCall<unknown>): Kernels | null;
export function kernelsOf<K>(call: CpuCall<unknown>, module: KernelModule<K>): K | null;
export function kernelsOf<K>(call: CpuCall<unknown>, module?: KernelModule<K>): Kernels | K | null {
  const heap = (call.context as KernelContext | undefined)?.heap ?? null;
  if (heap === null) return null;
  return module === undefined ? heap.kernels : heap.guest(module);
}

/**
 * Runs a kernel of a module on `count` units that do not depend on each other (rows, channels, members of a batch), cut
 * into as many parts as pay; the same bits for any number of parts.
 *
 * @param work  what all of it takes on one thread, roughly, in nanoseconds
 * @param args  arguments of the kernel for the units from … to − 1
 * @returns     false where the device has no such kernels and loops must do
 */
export function runParts<K>(
  call: CpuCall<unknown>,
  module: KernelModule<K>,
  name: keyof K & string,
  count: number,
  work: number,
  args: (from: number, to: number) => readonly number[],
): boolean {
  const heap = (call.context as KernelContext | undefined)?.heap ?? null;
  return heap !== null && heap.runGuest(module.builds, name, count, work, args);
}

/** Address of the first element of a view of 4-byte elements. */
export function address(view: CpuView): number {
  return view.data.byteOffset + 4 * view.offset;
}

/** Runs one kernel; errors of the data say where the operation was recorded. */
export function runKernel(
  op: Op,
  call: CpuCall<unknown>,
  outputs: readonly Aval[],
  node: Node | null,
  context: KernelContext,
): void {
  try {
    op.cpu!(call);
  } catch (error) {
    if (SeqError.is(error) && node?.site && !error.message.includes('Recorded at')) {
      error.message += ` Recorded at ${siteOf(node)}${atStep(context)}.`;
    }
    throw error;
  }
  if (context.checkNumerics) check(op, call, outputs, node, context);
}

function atStep({ step }: KernelContext): string {
  return step === null ? '' : `, ${step}`;
}

function check(
  op: Op,
  call: CpuCall<unknown>,
  outputs: readonly Aval[],
  node: Node | null,
  context: KernelContext,
): void {
  outputs.forEach((aval, k) => {
    if (!isFloat(aval.dtype) || aval.dtype === 'f16') return;
    const { data, offset } = call.outputs[k];
    const n = sizeOf(aval.shape);
    for (let i = 0; i < n; i++) {
      const v = data[offset + i];
      if (v === v && v !== Infinity) continue;
      throw new NumericsError(
        `${op.name}: values must be finite, got ${v} at element ${i} of ${show(aval.shape)}. ` +
          `Recorded at ${node === null ? 'an unknown place' : siteOf(node)}${atStep(context)}. Look at the inputs of this operation; a smaller learning rate or clipping often helps.`,
      );
    }
  });
}
