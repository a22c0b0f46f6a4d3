import type { CpuCall, CpuView } from '../engine/op.js';
import type { Op } from '../engine/op.js';
import { sizeOf, isFloat } from '../engine/dtype.js';
import type { Aval } from '../engine/dtype.js';
import { NumericsError, SeqError, show } from '../engine/errors.js';
import type { Node } from '../engine/value.js';
import { siteOf } from '../engine/value.js';
import type { Kernels } from '../wasm/kernels.js';
import type { Heap } from './heap.js';

/** What a kernel run needs to know of the device. */
export interface KernelContext {
  readonly checkNumerics: boolean;
  readonly poison: boolean;
  readonly step: string | null;
  /** Where all operands of its kernels lie; null when they are loops over typed arrays. */
  readonly heap: Heap | null;
}

/** The WebAssembly kernels that a call may use; its operands then lie in their memory. */
export function kernelsOf(call: CpuCall<unknown>): Kernels | null {
  return (call.context as KernelContext | undefined)?.heap?.kernels ?? null;
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
