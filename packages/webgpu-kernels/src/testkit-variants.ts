import type { GpuLimits, GpuVariant, Op } from '@seq/tensor/engine';
import { tensorKernels } from './kernels/index.js';

const made = new Map<string, Op>();

/**
 * An op like this one, whose only WebGPU kernel is the named variant, planned as if for other limits: a real GPU
 * (`software: false`) on an adapter that is a program, say. Where the variant does not suit a call, the next one serves.
 */
export function variantOf<A>(op: Op<A>, name: string, limits: Partial<GpuLimits> = {}): Op<A> {
  const key = `${op.name} ${name} ${JSON.stringify(limits)}`;
  const known = made.get(key);
  if (known !== undefined) return known as Op<A>;
  const kernels = tensorKernels().get(op)!;
  const at = kernels.variants.findIndex((v) => v.name === name);
  if (at === -1) throw new Error(`${op.name} has no variant ${name}`);
  const variants = kernels.variants.slice(at).map((v): GpuVariant<A> => ({
    name: v.name,
    supports: (call, own) => v.supports(call, { ...own, ...limits }),
    plan: (call, own) => v.plan(call, { ...own, ...limits }),
  }));
  const copy: Op<A> = { ...op, webgpu: { ...kernels, variants } };
  made.set(key, copy as Op);
  return copy;
}

/** Names of the variants of an op. */
export function variantNames(op: Op): string[] {
  return tensorKernels()
    .get(op)!
    .variants.map((v) => v.name);
}
