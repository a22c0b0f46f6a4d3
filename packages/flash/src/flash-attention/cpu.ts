// Which CPU kernel runs: WebAssembly for f32, else loops.
import { kernelsOf, runParts } from '@seq/tensor';
import type { Aval, CpuCall, CpuView } from '@seq/tensor';
import { named, namedGrad, pairsOf, sizesOf } from './call.js';
import type { FlashAttrs, FlashGradAttrs, FlashInputs, Sizes } from './call.js';
import { flashKernels } from './kernels.js';
import { backwardLoops, forwardLoops, loopScratch } from './loops.js';
import { wordBytes, writeCall } from './words.js';

/** Nanoseconds of a pair of query and key, by the products of its row. */
const nanoseconds = (sizes: Sizes, attrs: FlashAttrs, products: number): number =>
  sizes.B * sizes.H * pairsOf(sizes, attrs) * (1 + products / 24);

/** Rows of f32 whose elements lie side by side, other numbers of f32. */
function fits(rows: readonly CpuView[], others: readonly (CpuView | undefined)[]): boolean {
  return (
    rows.every((x) => x.data instanceof Float32Array && (x.strides[3] === 1 || x.shape[3] === 1)) &&
    others.every((x) => x === undefined || x.data instanceof Float32Array)
  );
}

const heads = ({ q, k, v }: FlashInputs<CpuView>): CpuView[] => [q, k, v];

/** Rows of queries in a unit of the forward kernel: `forwardBlocks` tiles of 48. */
export function rowsOfUnit({ D, V }: Pick<Sizes, 'D' | 'V'>): number {
  const eights = (n: number): number => 8 * Math.ceil(n / 8);
  const room = 970_752 - 40 * 192 - 3 * 96 * 192 - 96 * 4 * (eights(D) + eights(V));
  return 48 * Math.min(4, Math.floor(room / (192 * (D + eights(V)))));
}

export function forwardCpu(call: CpuCall<FlashAttrs>): void {
  const { inputs, outputs, attrs, scratch } = call;
  const all = named(inputs, attrs);
  const sizes = sizesOf(all);
  const { B, T, H, G, D, V } = sizes;
  const [o, lse] = outputs;
  const units = B * G * Math.ceil((T * H) / G / rowsOfUnit(sizes));
  if (units === 0) return;
  if (fits(heads(all), [all.bias, all.slopes]) && kernelsOf(call, flashKernels) !== null) {
    const at = writeCall(scratch, all, attrs, o, lse);
    const work = nanoseconds(sizes, attrs, D + V);
    if (runParts(call, flashKernels, 'flashForward', units, work, (from, to) => [at, from, to])) return;
  }
  forwardLoops(call);
}

export function backwardCpu(call: CpuCall<FlashGradAttrs>): void {
  const { inputs, outputs, attrs, scratch } = call;
  const { dO, dLse, o, lse, forward } = namedGrad(inputs, attrs);
  const all = named(forward, attrs);
  const sizes = sizesOf(all);
  const [dq, dk, dv, dBias] = outputs;
  const kernels = fits([...heads(all), dO, o], [all.bias, all.slopes]) ? kernelsOf(call, flashKernels) : null;
  if (kernels === null) return backwardLoops(call);
  const at = writeCall(scratch, all, attrs, o, lse, { dO, dLse, dq, dk, dv, dBias });
  const units = sizes.B * sizes.G;
  if (dBias) {
    // Head groups may share an element of it: one after the other.
    const { data, offset, shape } = dBias;
    data.fill(0, offset, offset + shape.reduce((n, d) => n * d, 1));
    kernels.flashBackward(at, 0, units);
  } else {
    const work = nanoseconds(sizes, attrs, 3 * sizes.D + 2 * sizes.V);
    runParts(call, flashKernels, 'flashBackward', units, work, (from, to) => [at, from, to]);
  }
}

/** Bytes of scratch of the forward kernel: a place for each query, or a row of scores. */
export function forwardScratch(inputs: readonly Aval[], attrs: FlashAttrs): number {
  return scratchOf(sizesOf(named(inputs, attrs)));
}

export function backwardScratch(inputs: readonly Aval[], attrs: FlashGradAttrs): number {
  return scratchOf(sizesOf(named(namedGrad(inputs, attrs).forward, attrs)));
}

const scratchOf = ({ B, T, S }: Sizes): number => Math.max(loopScratch(S), wordBytes(B, T));
