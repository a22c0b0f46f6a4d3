// The scan's kernels in WebAssembly, for f32. They keep what a chunk needs in a thread's workplace, so sizes are bounded.
import { address, defineKernels, runParts } from '@seq/tensor';
import type { CpuCall, KernelModule } from '@seq/tensor';
import { builds } from '../wasm/modules.js';
import { operandsOf, sizesOf } from './shapes.js';
import type { ScanAttrs, ScanSizes } from './shapes.js';

/** What `wasm/index.as` exports for heads of B H; what their numbers are says `calls`. */
interface ScanKernels {
  scanForward(...numbers: number[]): void;
  scanBackward(...numbers: number[]): void;
  chunksForward(...numbers: number[]): void;
  chunksBackward(...numbers: number[]): void;
}

const kernels: KernelModule<ScanKernels> = /* @__PURE__ */ defineKernels(builds);

/** Bytes of the workplace behind what it begins with. */
const workplace = 850_000;

/** Bytes of it behind what products of up to 256 rows and columns need. */
const behindProducts = workplace - 280_000;

/**
 * Whether chunks are products of matrices: 2,048 positions of 4 heads, K = V = 64, take 0.66 of the time forward and 0.61
 * with the gradient that they take position by position. What erases, or decays by channels, goes by positions; so do a
 * few of them, which fill no block.
 */
function isProduct({ T, K, V }: ScanSizes, { chunk, decay, erase }: ScanAttrs): boolean {
  const rows = Math.min(chunk, T);
  const floats = padded(rows, 4) * (2 * padded(rows, 4) + Math.max(K, V) + 6);
  const fits = Math.max(K, V, rows) <= 256 && 4 * floats <= behindProducts;
  return erase === 'none' && decay !== 'key' && rows >= 8 && fits;
}

const padded = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Runs the kernel where the device has it and the chunks fit; false where loops must do. */
export function scanForwardSimd(call: CpuCall<ScanAttrs>): boolean {
  const { inputs, outputs, attrs } = call;
  const sizes = sizesOf(inputs[0], inputs[2], attrs);
  const { T, K, V } = sizes;
  const floats = K * padded(V, 16) + Math.min(attrs.chunk, T) * padded(K, 4);
  if (!(outputs[0].data instanceof Float32Array) || 4 * floats > workplace) return false;
  const { q, k, v, initial, g = 0, a = 0, b = 0 } = operandsOf(inputs.map(address), attrs);
  const [o, last, starts = 0, u = 0] = outputs.map(address);
  const name = isProduct(sizes, attrs) ? 'chunksForward' : 'scanForward';
  return run(call, name, sizes, [q, k, v, initial, g, a, b, o, last, starts, u]);
}

/** The same for the gradient. */
export function scanBackwardSimd(call: CpuCall<ScanAttrs>): boolean {
  const { inputs: all, outputs, attrs } = call;
  const inputs = all.slice(2, 2 + outputs.length);
  const sizes = sizesOf(inputs[0], inputs[2], attrs);
  const { T, K, V } = sizes;
  const rows = Math.min(attrs.chunk, T);
  const matrices = attrs.erase === 'none' ? K : 2 * K;
  const lists = { none: 4, own: 5, pair: 6 }[attrs.erase];
  const floats = (matrices + 1 + lists * rows) * padded(V, 4) + rows * padded(K, 4) + padded(rows, 4);
  if (!(outputs[0].data instanceof Float32Array) || 4 * floats > workplace) return false;
  const [dO, dState] = all.slice(0, 2).map(address);
  const { q, k, v, g = 0, a = 0, b = 0 } = operandsOf(inputs.map(address), attrs);
  const [starts, u = 0] = all.slice(2 + outputs.length).map(address);
  const d = operandsOf(outputs.map(address), attrs);
  return run(call, isProduct(sizes, attrs) ? 'chunksBackward' : 'scanBackward', sizes, [
    ...[dO, dState, q, k, v, g, a, b, starts, u],
    ...[d.q, d.k, d.v, d.initial, d.g ?? 0, d.a ?? 0, d.b ?? 0],
  ]);
}

/** Heads do not depend on each other; addresses are the same for all of them. */
function run(
  call: CpuCall<ScanAttrs>,
  name: keyof ScanKernels,
  { B, T, G, H, K, V }: ScanSizes,
  addresses: readonly number[],
): boolean {
  const { chunk, decay, erase } = call.attrs;
  const passes = (erase === 'none' ? 1 : 2) * (name.endsWith('Forward') ? 1 : 4);
  const perEntry = 0.15 * passes; // nanoseconds
  return runParts(call, kernels, name, B * H, B * T * H * K * V * perEntry, (from, to) => [
    ...addresses,
    ...[from, to, T, G, H, K, V, chunk, decay === 'key' ? 1 : 0],
  ]);
}
