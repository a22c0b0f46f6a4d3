// Which CPU kernel runs: blocks on the kernels of the device for f32, else loops.
import { kernelsOf } from '@seq/tensor';
import type { Aval, CpuCall, CpuView } from '@seq/tensor';
import { backwardBlocks, backwardBlockScratch } from './blocks-backward.js';
import { forwardBlocks, forwardBlockScratch } from './blocks.js';
import { named, namedGrad, sizesOf } from './call.js';
import type { FlashAttrs, FlashGradAttrs } from './call.js';
import { backwardLoops, forwardLoops, loopScratch } from './loops.js';

/** Rows of f32 whose elements lie side by side. */
function dense(views: readonly CpuView[]): boolean {
  return views.every((x) => x.data instanceof Float32Array && (x.strides[3] === 1 || x.shape[3] === 1));
}

export function forwardCpu(call: CpuCall<FlashAttrs>): void {
  const { q, k, v } = named(call.inputs, call.attrs);
  const kernels = dense([q, k, v]) ? kernelsOf(call) : null;
  if (kernels === null) forwardLoops(call);
  else forwardBlocks(call, kernels);
}

export function backwardCpu(call: CpuCall<FlashGradAttrs>): void {
  const { dO, o, forward } = namedGrad(call.inputs, call.attrs);
  const kernels = dense([dO, o, ...forward.slice(0, 3)]) ? kernelsOf(call) : null;
  if (kernels === null) backwardLoops(call);
  else backwardBlocks(call, kernels);
}

/** Bytes of scratch of the forward kernel: of the size of one head's keys and values, not of scores. */
export function forwardScratch(inputs: readonly Aval[], attrs: FlashAttrs): number {
  const sizes = sizesOf(named(inputs, attrs));
  return Math.max(loopScratch(sizes.S), forwardBlockScratch(sizes));
}

export function backwardScratch(inputs: readonly Aval[], attrs: FlashGradAttrs): number {
  const sizes = sizesOf(named(namedGrad(inputs, attrs).forward, attrs));
  return Math.max(loopScratch(sizes.S), backwardBlockScratch(sizes));
}
