import type { CpuView } from '../engine/op.js';
import {
  convKernels,
  fastDepthwise,
  fastDepthwiseWeight,
  fastForward,
  fastInputGrad,
  fastWeightGrad,
} from './conv-fast.js';
import { gemmInto } from './gemm.js';
import type { FloatArray } from './gemm-packed.js';

/** The sizes of one convolution, as its three kernels need them. */
export interface ConvShape {
  readonly batch: number;
  /** Length of x. */
  readonly inLength: number;
  /** Length of y. */
  readonly outLength: number;
  readonly width: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before x. */
  readonly left: number;
}

/** Elements of one block of gathered windows. */
const BLOCK = 65536;

const blockRows = (rows: number, depth: number): number =>
  Math.max(1, Math.min(rows, Math.max(16, Math.floor(BLOCK / Math.max(1, depth)))));

/** True when every channel has its own filter and nothing mixes. */
function isDepthwise(s: ConvShape): boolean {
  return s.groups === s.inChannels && s.groups === s.outChannels;
}

/** Which position of the source lies under tap `tap` of the window of position `at`; −1 for padding. */
function source(s: ConvShape, backward: boolean, at: number, tap: number): number {
  if (!backward) {
    const t = at * s.stride + tap * s.dilation - s.left;
    return t >= 0 && t < s.inLength ? t : -1;
  }
  const t = at + s.left - tap * s.dilation;
  if (t < 0 || t % s.stride !== 0) return -1;
  const u = t / s.stride;
  return u < s.outLength ? u : -1;
}

/** Windows of rows [from, to) of one group as a matrix [to − from, width, channels of the group]. */
function gatherWindows(
  s: ConvShape,
  backward: boolean,
  src: FloatArray,
  srcOff: number,
  group: number,
  from: number,
  to: number,
  dst: FloatArray,
): void {
  const length = backward ? s.inLength : s.outLength;
  const srcLength = backward ? s.outLength : s.inLength;
  const channels = backward ? s.outChannels : s.inChannels;
  const n = channels / s.groups;
  let d = 0;
  for (let row = from; row < to; row++) {
    const b = Math.floor(row / length);
    const at = row - b * length;
    for (let tap = 0; tap < s.width; tap++) {
      const t = source(s, backward, at, tap);
      const end = d + n;
      if (t < 0) for (; d < end; d++) dst[d] = 0;
      else {
        let p = srcOff + (b * srcLength + t) * channels + group * n;
        for (; d < end; d++, p++) dst[d] = src[p];
      }
    }
  }
}

/** A view of `n` elements of the scratch memory with the element type of `like`. */
function floats(like: CpuView, scratch: Float64Array, from: number, n: number): FloatArray {
  const at = scratch.byteOffset + 8 * from;
  return like.data instanceof Float32Array
    ? new Float32Array(scratch.buffer, at, n)
    : new Float64Array(scratch.buffer, at, n);
}

/** Bytes of scratch of `convForward`. */
export function forwardScratch(s: ConvShape): number {
  if (isDepthwise(s)) return 8 * (s.inChannels + 2 * s.width);
  const depth = (s.width * s.inChannels) / s.groups;
  return 8 * blockRows(s.batch * s.outLength, depth) * depth;
}

/** y [B, T', Cout] from x [B, T, Cin] and w [W, Cin/groups, Cout]: a product of gathered windows and w. */
export function convForward(s: ConvShape, x: CpuView, w: CpuView, y: CpuView, scratch: Float64Array): void {
  const kernels = convKernels(x);
  if (kernels !== null) {
    if (isDepthwise(s)) fastDepthwise(kernels, s, false, x, w, y);
    else fastForward(kernels, s, x, w, y);
    return;
  }
  const [xd, wd, yd] = [x.data, w.data, y.data] as [FloatArray, FloatArray, FloatArray];
  if (isDepthwise(s)) {
    depthwise(s, false, xd, x.offset, wd, w.offset, yd, y.offset, scratch);
    return;
  }
  const rows = s.batch * s.outLength;
  const n = s.outChannels / s.groups;
  const depth = (s.width * s.inChannels) / s.groups;
  const block = blockRows(rows, depth);
  const windows = floats(x, scratch, 0, block * depth);
  for (let from = 0; from < rows; from += block) {
    const to = Math.min(rows, from + block);
    for (let g = 0; g < s.groups; g++) {
      gatherWindows(s, false, xd, x.offset, g, from, to, windows);
      const yo = y.offset + from * s.outChannels + g * n;
      const wo = w.offset + g * n;
      const C = s.outChannels;
      gemmInto(to - from, n, depth, windows, 0, depth, 1, wd, wo, C, 1, yd, yo, C, 1, false);
    }
  }
}

/** Bytes of scratch of `convInputGrad`. */
export function inputGradScratch(s: ConvShape): number {
  if (isDepthwise(s)) return 8 * (s.inChannels + 2 * s.width);
  const depth = (s.width * s.outChannels) / s.groups;
  return 8 * (blockRows(s.batch * s.inLength, depth) * depth + depth * s.inChannels);
}

/** dx [B, T, Cin] from dy [B, T', Cout] and w: the transposed convolution. */
export function convInputGrad(
  s: ConvShape,
  dy: CpuView,
  w: CpuView,
  dx: CpuView,
  scratch: Float64Array,
): void {
  const kernels = convKernels(dy);
  if (kernels !== null && !isDepthwise(s)) return fastInputGrad(kernels, s, dy, w, dx);
  if (kernels !== null && s.stride === 1) return fastDepthwise(kernels, s, true, dy, w, dx);
  const [yd, wd, xd] = [dy.data, w.data, dx.data] as [FloatArray, FloatArray, FloatArray];
  if (isDepthwise(s)) {
    depthwise(s, true, yd, dy.offset, wd, w.offset, xd, dx.offset, scratch);
    return;
  }
  const rows = s.batch * s.inLength;
  const n = s.inChannels / s.groups;
  const m = s.outChannels / s.groups;
  const depth = s.width * m;
  const block = blockRows(rows, depth);
  const windows = floats(dy, scratch, 0, block * depth);
  // w as [groups, width, Cout/groups, Cin/groups].
  const turned = floats(dy, scratch, block * depth, depth * s.inChannels);
  let d = 0;
  for (let g = 0; g < s.groups; g++) {
    for (let tap = 0; tap < s.width; tap++) {
      for (let o = 0; o < m; o++) {
        let p = w.offset + tap * n * s.outChannels + g * m + o;
        for (let c = 0; c < n; c++, d++, p += s.outChannels) turned[d] = wd[p];
      }
    }
  }
  for (let from = 0; from < rows; from += block) {
    const to = Math.min(rows, from + block);
    for (let g = 0; g < s.groups; g++) {
      gatherWindows(s, true, yd, dy.offset, g, from, to, windows);
      const xo = dx.offset + from * s.inChannels + g * n;
      const C = s.inChannels;
      gemmInto(to - from, n, depth, windows, 0, depth, 1, turned, g * depth * n, n, 1, xd, xo, C, 1, false);
    }
  }
}

/** Bytes of scratch of `convWeightGrad`. */
export function weightGradScratch(s: ConvShape): number {
  if (isDepthwise(s)) return 8 * s.width * s.inChannels;
  const depth = (s.width * s.inChannels) / s.groups;
  return 8 * (blockRows(s.batch * s.outLength, depth) * depth + depth * s.outChannels);
}

/** dw [W, Cin/groups, Cout] from x and dy, summed in double over all windows. */
export function convWeightGrad(
  s: ConvShape,
  x: CpuView,
  dy: CpuView,
  dw: CpuView,
  scratch: Float64Array,
): void {
  const kernels = convKernels(x);
  if (kernels !== null && isDepthwise(s)) return fastDepthwiseWeight(kernels, s, x, dy, dw, scratch);
  if (kernels !== null) return fastWeightGrad(kernels, s, x, dy, dw);
  const [xd, yd, wd] = [x.data, dy.data, dw.data] as [FloatArray, FloatArray, FloatArray];
  const rows = s.batch * s.outLength;
  const depth = (s.width * s.inChannels) / s.groups;
  const size = depth * s.outChannels;
  if (isDepthwise(s)) {
    const sums = scratch.subarray(0, size).fill(0);
    depthwiseWeight(s, xd, x.offset, yd, dy.offset, sums);
    for (let i = 0; i < size; i++) wd[dw.offset + i] = sums[i];
    return;
  }
  const n = s.outChannels / s.groups;
  const block = blockRows(rows, depth);
  const windows = floats(x, scratch, 0, block * depth);
  const sums = scratch.subarray(block * depth, block * depth + size).fill(0);
  for (let from = 0; from < rows; from += block) {
    const to = Math.min(rows, from + block);
    for (let g = 0; g < s.groups; g++) {
      gatherWindows(s, false, xd, x.offset, g, from, to, windows);
      const yo = dy.offset + from * s.outChannels + g * n;
      const C = s.outChannels;
      gemmInto(depth, n, to - from, windows, 0, 1, depth, yd, yo, C, 1, sums, g * n, C, 1, true);
    }
  }
  for (let i = 0; i < size; i++) wd[dw.offset + i] = sums[i];
}

/** Each output row is a sum of source rows times filter rows, channel by channel, in double. */
function depthwise(
  s: ConvShape,
  backward: boolean,
  src: FloatArray,
  srcOff: number,
  w: FloatArray,
  wOff: number,
  out: FloatArray,
  outOff: number,
  scratch: Float64Array,
): void {
  const C = s.inChannels;
  const length = backward ? s.inLength : s.outLength;
  const srcLength = backward ? s.outLength : s.inLength;
  // scratch: C sums, then the offsets of the rows to combine.
  const rowAt = C;
  const tapAt = C + s.width;
  let o = outOff;
  for (let b = 0; b < s.batch; b++) {
    for (let at = 0; at < length; at++, o += C) {
      let taps = 0;
      for (let tap = 0; tap < s.width; tap++) {
        const t = source(s, backward, at, tap);
        if (t < 0) continue;
        scratch[rowAt + taps] = srcOff + (b * srcLength + t) * C;
        scratch[tapAt + taps] = wOff + tap * C;
        taps++;
      }
      if (taps === 4) {
        combineFour(out, o, false, scratch, rowAt, tapAt, src, w, C);
        continue;
      }
      for (let c = 0; c < C; c++) scratch[c] = 0;
      let i = 0;
      for (; i + 4 <= taps; i += 4) combineFour(scratch, 0, true, scratch, rowAt + i, tapAt + i, src, w, C);
      for (; i < taps; i++) addOne(scratch, scratch[rowAt + i] | 0, scratch[tapAt + i] | 0, src, w, C);
      for (let c = 0; c < C; c++) out[o + c] = scratch[c];
    }
  }
}

function addOne(sums: Float64Array, p: number, q: number, x: FloatArray, w: FloatArray, n: number): void {
  for (let c = 0; c < n; c++) sums[c] += x[p + c] * w[q + c];
}

/** out = or += the sum of four source rows times filter rows, whose offsets are in `at`. */
function combineFour(
  out: FloatArray,
  o: number,
  add: boolean,
  at: Float64Array,
  rowAt: number,
  tapAt: number,
  x: FloatArray,
  w: FloatArray,
  n: number,
): void {
  const p0 = at[rowAt] | 0;
  const p1 = at[rowAt + 1] | 0;
  const p2 = at[rowAt + 2] | 0;
  const p3 = at[rowAt + 3] | 0;
  const q0 = at[tapAt] | 0;
  const q1 = at[tapAt + 1] | 0;
  const q2 = at[tapAt + 2] | 0;
  const q3 = at[tapAt + 3] | 0;
  for (let c = 0; c < n; c++) {
    const sum =
      x[(p0 + c) | 0] * w[(q0 + c) | 0] +
      x[(p1 + c) | 0] * w[(q1 + c) | 0] +
      x[(p2 + c) | 0] * w[(q2 + c) | 0] +
      x[(p3 + c) | 0] * w[(q3 + c) | 0];
    out[(o + c) | 0] = add ? out[(o + c) | 0] + sum : sum;
  }
}

/** sums [W, C] += x under the taps times dy. */
function depthwiseWeight(
  s: ConvShape,
  x: FloatArray,
  xOff: number,
  dy: FloatArray,
  yOff: number,
  sums: Float64Array,
): void {
  const C = s.inChannels;
  for (let b = 0; b < s.batch; b++) {
    for (let at = 0; at < s.outLength; at++) {
      const q = yOff + (b * s.outLength + at) * C;
      for (let tap = 0; tap < s.width; tap++) {
        const t = source(s, false, at, tap);
        if (t < 0) continue;
        const p = xOff + (b * s.inLength + t) * C;
        const r = tap * C;
        for (let c = 0; c < C; c++) sums[r + c] += x[p + c] * dy[q + c];
      }
    }
  }
}
