import { address, defineKernels, runParts, sizeOf } from '@seq/tensor';
import type { CpuCall, CpuView, KernelModule } from '@seq/tensor';
import { builds } from '../wasm/modules.js';
import { operandsOf, scanSizes } from './shape.js';
import type { ScanAttrs, ScanSizes } from './shape.js';

/** What `wasm/index.as` exports. */
interface ScanKernels {
  selectiveScan(...addressesAndSizes: number[]): void;
  selectiveScanBackward(...addressesAndSizes: number[]): void;
}

const scanKernels: KernelModule<ScanKernels> = /* @__PURE__ */ defineKernels(builds);

/** Largest N whose chunk fits into the workplace of a thread. */
const maxStates = 1024;

/** Whether the kernels serve: f32, B and C that change with the position, fours of channels that cross no group. */
function suits([u]: readonly CpuView[], { C, N, G, varB, varC }: ScanSizes): boolean {
  const fours = G === 1 || (C / G) % 4 === 0;
  return u.data instanceof Float32Array && varB && varC && fours && N <= maxStates;
}

/** Addresses of operands, 0 for what is absent. */
const places = (views: readonly (CpuView | undefined)[]): number[] =>
  views.map((view) => (view ? address(view) : 0));

/** Forward, four channels at a time; false where loops must do. */
export function forwardKernel(call: CpuCall<ScanAttrs>): boolean {
  const { inputs, outputs, attrs } = call;
  const sizes = scanSizes(inputs);
  if (!suits(inputs, sizes)) return false;
  const { B, T, C, N, G, L } = sizes;
  const o = operandsOf(inputs, attrs);
  const operands = places([o.u, o.delta, o.A, o.Bs, o.Cs, o.h0, o.D, o.z, o.bias, ...outputs]);
  const units = B * Math.ceil(C / 4);
  return runParts(call, scanKernels, 'selectiveScan', units, B * T * C * N, (from, to) => [
    ...operands,
    ...[from, to, T, C, N, G, L, Number(attrs.softplus)],
  ]);
}

/** Bytes of scratch of the backward kernel: gradients by A, D and bias for each member of the batch. */
export function backwardKernelScratch({ B, C, N }: ScanSizes): number {
  return 8 * Math.ceil((B * C * (N + 2)) / 2);
}

/** Backward, chunk by chunk, four channels at a time; false where loops must do. */
export function backwardKernel(call: CpuCall<ScanAttrs>): boolean {
  const { inputs, outputs, attrs, scratch } = call;
  const sizes = scanSizes(inputs);
  if (!suits(inputs, sizes)) return false;
  const { B, T, C, N, G, L } = sizes;
  const o = operandsOf(inputs, attrs);
  const d = operandsOf(outputs, attrs);
  const byA = scratch.byteOffset;
  const byD = byA + 4 * B * C * N;
  const byBias = byD + 4 * B * C;
  const operands = [
    ...places([o.u, o.delta, o.A, o.Bs, o.Cs, o.D, o.z, o.bias, ...o.rest, d.u, d.delta]),
    ...[byA, ...places([d.Bs, d.Cs, d.h0, d.z]), byD, byBias],
  ];
  const ran = runParts(call, scanKernels, 'selectiveScanBackward', B, 3 * B * T * C * N, (from, to) => [
    ...operands,
    ...[from, to, T, C, N, G, L, Number(attrs.softplus)],
  ]);
  if (!ran) return false;
  sumMembers(d.A, new Float32Array(scratch.buffer, byA, B * C * N));
  if (d.D) sumMembers(d.D, new Float32Array(scratch.buffer, byD, B * C));
  if (d.bias) sumMembers(d.bias, new Float32Array(scratch.buffer, byBias, B * C));
  return true;
}

/** The sum over the members of a batch, [B, n] → [n], in double. */
function sumMembers({ data, offset, shape }: CpuView, members: Float32Array): void {
  const n = sizeOf(shape);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = i; j < members.length; j += n) sum += members[j];
    data[offset + i] = sum;
  }
}
