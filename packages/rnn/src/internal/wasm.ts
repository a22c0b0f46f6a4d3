import { address, defineKernels, kernelsOf, runParts } from '@seq/tensor';
import type { CpuCall, CpuView, KernelModule, Kernels } from '@seq/tensor';
import { builds } from '../wasm/modules.js';

/** What `wasm/index.as` exports: whole sequences for some rows of the batch, by addresses. */
type TimeLoop = (...args: number[]) => void;
export type RnnKernels = Readonly<
  Record<'lstm' | 'lstmGrad' | 'gru' | 'gruGrad' | 'elman' | 'elmanGrad', TimeLoop>
>;

const rnnKernels: KernelModule<RnnKernels> = /* @__PURE__ */ defineKernels(builds);

/** The kernels of the device that runs an f32 call; null where loops must do. */
export const kernelsFor = (call: CpuCall<unknown>): Kernels | null =>
  call.outputs[0].data instanceof Float32Array ? kernelsOf(call) : null;

/** Numbers of W [N, K] in packed columns. */
export const packedSize = (N: number, K: number): number => 8 * Math.ceil(N / 8) * K;

/** Packs a matrix [K, N], strides in numbers, to an address; the next free address behind it. */
export function pack(
  k: Kernels,
  to: number,
  w: CpuView,
  [K, N]: readonly [number, number],
  [row, column]: readonly [number, number],
): number {
  k.packColumns(to, N, K, address(w), row, column);
  return to + 4 * packedSize(N, K);
}

/** From a tensor [B, …]: the address of its row b; 0 where there is none. */
export function rowAt(v: CpuView | undefined, b: number): number {
  if (v === undefined) return 0;
  const [B, ...rest] = v.shape;
  const bytes = v.data.BYTES_PER_ELEMENT;
  return B === 0 ? 0 : v.data.byteOffset + bytes * (v.offset + b * rest.reduce((n, d) => n * d, 1));
}

/**
 * Runs a time loop on B rows, on several threads where that pays.
 *
 * @param products  multiply-adds of all steps
 * @returns         false where loops in double must do
 */
export function runLoop(
  call: CpuCall<unknown>,
  name: keyof RnnKernels,
  B: number,
  products: number,
  args: (from: number, rows: number) => readonly number[],
): boolean {
  return runParts(call, rnnKernels, name, B, products / 20, (from, to) => args(from, to - from));
}
