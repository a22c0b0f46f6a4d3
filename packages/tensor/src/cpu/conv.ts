// Convolutions as products: the part of y that a tap of the filter reaches is x, shifted, times that tap. Where all taps
// reach and lie side by side they are one product.
import type { CpuView } from '../engine/op.js';
import type { Kernels } from '../wasm/kernels.js';
import { gemmInto } from './gemm.js';
import type { FloatArray } from './gemm-packed.js';
import { heapOf } from './heap.js';
import { address } from './kernel.js';

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

/** True when every channel has its own filter and nothing mixes. */
function isDepthwise(s: ConvShape): boolean {
  return s.groups === s.inChannels && s.groups === s.outChannels;
}

/** The kernels for operands of f32 in a heap. */
function convKernels(x: CpuView): Kernels | null {
  return x.data instanceof Float32Array ? (heapOf(x.data.buffer)?.kernels ?? null) : null;
}

const floats = ({ data }: CpuView): FloatArray => data as FloatArray;

/** The outputs [low, high) whose window has tap `tap` inside x. */
function reach(s: ConvShape, tap: number): [low: number, high: number] {
  const shift = s.left - tap * s.dilation;
  const low = Math.max(0, Math.ceil(shift / s.stride));
  const high = Math.min(s.outLength, Math.floor((s.inLength - 1 + shift) / s.stride) + 1);
  return [Math.min(low, s.outLength), Math.max(high, 0)];
}

/** Visits the products of taps with rows: the element of x and of y that the first row begins with, and their number. */
function eachTap(s: ConvShape, visit: (tap: number, x: number, y: number, rows: number) => void): void {
  for (let b = 0; b < s.batch; b++) {
    for (let tap = 0; tap < s.width; tap++) {
      const [low, high] = reach(s, tap);
      if (high <= low) continue;
      const t = b * s.inLength + low * s.stride + tap * s.dilation - s.left;
      visit(tap, t * s.inChannels, (b * s.outLength + low) * s.outChannels, high - low);
    }
  }
}

/** y [B, T', Cout] from x [B, T, Cin] and w [W, Cin/groups, Cout]. */
export function convForward(s: ConvShape, x: CpuView, w: CpuView, y: CpuView): void {
  if (isDepthwise(s)) return depthwise(s, false, x, w, y);
  const [I, O, G] = [s.inChannels, s.outChannels, s.groups];
  const [i, o] = [I / G, O / G];
  const [xd, wd, yd] = [floats(x), floats(w), floats(y)];
  const row = s.stride * I;
  // [from, to) is reached by every tap.
  const from = Math.min(s.outLength, reach(s, 0)[0]);
  const to = Math.max(from, Math.min(s.outLength, reach(s, s.width - 1)[1]));
  const joined = G === 1 && s.dilation === 1 && to > from;
  const part = (tap: number, x0: number, y0: number, rows: number): void => {
    if (rows <= 0) return;
    for (let g = 0; g < G; g++) {
      const wo = w.offset + tap * i * O + g * o;
      gemmInto(
        rows,
        o,
        i,
        xd,
        x.offset + x0 + g * i,
        row,
        1,
        wd,
        wo,
        O,
        1,
        yd,
        y.offset + y0 + g * o,
        O,
        1,
        true,
      );
    }
  };
  yd.fill(0, y.offset, y.offset + s.batch * s.outLength * O);
  if (joined) {
    for (let b = 0; b < s.batch; b++) {
      const xo = x.offset + (b * s.inLength + from * s.stride - s.left) * I;
      const yo = y.offset + (b * s.outLength + from) * O;
      gemmInto(to - from, O, s.width * I, xd, xo, row, 1, wd, w.offset, O, 1, yd, yo, O, 1, false);
    }
  }
  eachTap(s, (tap, x0, y0, rows) => {
    if (!joined) return part(tap, x0, y0, rows);
    // Before and behind the rows that are done.
    const [low, high] = reach(s, tap);
    part(tap, x0, y0, Math.min(high, from) - low);
    const skip = Math.max(low, to) - low;
    part(tap, x0 + skip * row, y0 + skip * O, high - Math.max(low, to));
  });
}

/** dx [B, T, Cin] from dy [B, T', Cout] and w: the transposed convolution. */
export function convInputGrad(s: ConvShape, dy: CpuView, w: CpuView, dx: CpuView): void {
  if (isDepthwise(s)) return depthwise(s, true, dy, w, dx);
  const [I, O, G] = [s.inChannels, s.outChannels, s.groups];
  const [i, o] = [I / G, O / G];
  const [yd, wd, xd] = [floats(dy), floats(w), floats(dx)];
  xd.fill(0, dx.offset, dx.offset + s.batch * s.inLength * I);
  eachTap(s, (tap, x0, y0, rows) => {
    for (let g = 0; g < G; g++) {
      const [yo, wo, xo] = [dy.offset + y0 + g * o, w.offset + tap * i * O + g * o, dx.offset + x0 + g * i];
      gemmInto(rows, i, o, yd, yo, O, 1, wd, wo, 1, O, xd, xo, s.stride * I, 1, true);
    }
  });
}

/** Bytes of scratch of `convWeightGrad`. */
export function weightGradScratch(s: ConvShape): number {
  return isDepthwise(s) ? 8 * s.width * s.inChannels : 0;
}

/** dw [W, Cin/groups, Cout] from x and dy. */
export function convWeightGrad(
  s: ConvShape,
  x: CpuView,
  dy: CpuView,
  dw: CpuView,
  scratch: Float64Array,
): void {
  if (isDepthwise(s)) return depthwiseWeight(s, x, dy, dw, scratch);
  const [I, O, G] = [s.inChannels, s.outChannels, s.groups];
  const [i, o] = [I / G, O / G];
  const [xd, yd, wd] = [floats(x), floats(dy), floats(dw)];
  wd.fill(0, dw.offset, dw.offset + s.width * i * O);
  eachTap(s, (tap, x0, y0, rows) => {
    for (let g = 0; g < G; g++) {
      const [xo, yo, wo] = [x.offset + x0 + g * i, dy.offset + y0 + g * o, dw.offset + tap * i * O + g * o];
      gemmInto(i, o, rows, xd, xo, 1, s.stride * I, yd, yo, O, 1, wd, wo, O, 1, true);
    }
  });
}

/** y of a depthwise convolution, or, `backward`, dx from dy: rows of the source under the taps times their filters. */
function depthwise(s: ConvShape, backward: boolean, src: CpuView, w: CpuView, out: CpuView): void {
  const kernels = convKernels(out);
  if (!kernels || (backward && s.stride > 1)) return depthwiseLoops(s, backward, src, w, out);
  const C = s.inChannels;
  const [xp, wp, op] = [address(src), address(w), address(out)];
  const length = backward ? s.inLength : s.outLength;
  const from = backward ? s.outLength : s.inLength;
  const step = backward ? -s.dilation : s.dilation;
  const stride = backward ? 1 : s.stride;
  // Tap j of output t lies at t stride + j step + first.
  const first = backward ? s.left : -s.left;
  const taps = (t: number): [low: number, high: number] => {
    let low = 0;
    let high = s.width;
    const inside = (j: number): boolean => {
      const u = t * stride + j * step + first;
      return u >= 0 && u < from;
    };
    while (low < high && !inside(low)) low++;
    while (high > low && !inside(high - 1)) high--;
    return [low, high];
  };
  for (let b = 0; b < s.batch; b++) {
    for (let t = 0; t < length;) {
      const [low, high] = taps(t);
      let rows = 1;
      // Rows with all taps inside go together.
      if (low === 0 && high === s.width) {
        while (t + rows < length) {
          const [l, h] = taps(t + rows);
          if (l !== 0 || h !== s.width) break;
          rows++;
        }
      }
      const x0 = xp + 4 * C * (b * from + t * stride + low * step + first);
      kernels.depthwiseRows(
        op + 4 * C * (b * length + t),
        x0,
        4 * C * stride,
        4 * C * step,
        wp + 4 * C * low,
        high - low,
        C,
        rows,
      );
      t += rows;
    }
  }
}

function depthwiseLoops(s: ConvShape, backward: boolean, src: CpuView, w: CpuView, out: CpuView): void {
  const C = s.inChannels;
  const [from, by, to] = [floats(src), floats(w), floats(out)];
  to.fill(0, out.offset, out.offset + s.batch * (backward ? s.inLength : s.outLength) * C);
  eachTap(s, (tap, x0, y0, rows) => {
    for (let r = 0; r < rows; r++) {
      const [x, y] = [x0 + r * s.stride * C, y0 + r * C];
      const [p, q, t] = [
        src.offset + (backward ? y : x),
        out.offset + (backward ? x : y),
        w.offset + tap * C,
      ];
      for (let c = 0; c < C; c++) to[q + c] += from[p + c] * by[t + c];
    }
  });
}

/** dw of a depthwise convolution, summed in double in `sums` [W, C]. */
function depthwiseWeight(s: ConvShape, x: CpuView, dy: CpuView, dw: CpuView, sums: Float64Array): void {
  const C = s.inChannels;
  const kernels = convKernels(x);
  const [xd, yd] = [floats(x), floats(dy)];
  sums.fill(0, 0, s.width * C);
  eachTap(s, (tap, x0, y0, rows) => {
    if (kernels) {
      const [to, xp, yp] = [sums.byteOffset + 8 * tap * C, address(x) + 4 * x0, address(dy) + 4 * y0];
      kernels.productRowsTo(to, xp, 4 * s.stride * C, yp, 4 * C, C, rows);
      return;
    }
    for (let r = 0; r < rows; r++) {
      const [p, q] = [x.offset + x0 + r * s.stride * C, dy.offset + y0 + r * C];
      for (let c = 0; c < C; c++) sums[tap * C + c] += xd[p + c] * yd[q + c];
    }
  });
  for (let i = 0; i < s.width * C; i++) dw.data[dw.offset + i] = sums[i];
}
