import type { CpuView } from '../engine/op.js';
import type { Kernels } from '../wasm/kernels.js';
import type { ConvShape } from './conv.js';
import { heapOf } from './heap.js';
import { address } from './kernel.js';

// Convolutions on the kernels of the heap: no windows are gathered. The part of y that a tap of the filter reaches is
// one product of x, shifted, with that tap; where all taps reach and lie side by side they are one product.

/** The kernels for operands of f32 in a heap. */
export function convKernels(x: CpuView): Kernels | null {
  return x.data instanceof Float32Array ? (heapOf(x.data.buffer)?.kernels ?? null) : null;
}

/** The outputs [low, high) whose window has tap `tap` inside x. */
function reach(s: ConvShape, tap: number): [low: number, high: number] {
  const shift = s.left - tap * s.dilation;
  const low = Math.max(0, Math.ceil(shift / s.stride));
  const high = Math.min(s.outLength, Math.floor((s.inLength - 1 + shift) / s.stride) + 1);
  return [Math.min(low, s.outLength), Math.max(high, 0)];
}

/** Visits the products of taps with rows: address of rows of x and of y, and their number. */
function eachTap(
  s: ConvShape,
  x: number,
  y: number,
  visit: (tap: number, x: number, y: number, rows: number) => void,
): void {
  for (let b = 0; b < s.batch; b++) {
    for (let tap = 0; tap < s.width; tap++) {
      const [low, high] = reach(s, tap);
      if (high <= low) continue;
      const t = b * s.inLength + low * s.stride + tap * s.dilation - s.left;
      visit(tap, x + 4 * t * s.inChannels, y + 4 * (b * s.outLength + low) * s.outChannels, high - low);
    }
  }
}

/** y = the sum over taps; rows in the middle take all taps at once where x has them side by side. */
export function fastForward(k: Kernels, s: ConvShape, x: CpuView, w: CpuView, y: CpuView): void {
  const [I, O, G] = [s.inChannels, s.outChannels, s.groups];
  const [i, o] = [I / G, O / G];
  const [xp, wp, yp] = [address(x), address(w), address(y)];
  const row = s.stride * I;
  // [from, to) is reached by every tap.
  const from = Math.min(s.outLength, reach(s, 0)[0]);
  const to = Math.max(from, Math.min(s.outLength, reach(s, s.width - 1)[1]));
  const joined = G === 1 && s.dilation === 1 && to > from;
  const part = (tap: number, x0: number, y0: number, rows: number, first: boolean): void => {
    if (rows <= 0) return;
    for (let g = 0; g < G; g++) {
      k.gemm(
        rows,
        o,
        i,
        x0 + 4 * g * i,
        row,
        1,
        wp + 4 * (tap * i * O + g * o),
        O,
        1,
        y0 + 4 * g * o,
        O,
        !first,
      );
    }
  };
  y.data.fill(0, y.offset, y.offset + s.batch * s.outLength * O);
  if (joined) {
    for (let b = 0; b < s.batch; b++) {
      const t = b * s.inLength + from * s.stride - s.left;
      const y0 = yp + 4 * (b * s.outLength + from) * O;
      k.gemm(to - from, O, s.width * I, xp + 4 * t * I, row, 1, wp, O, 1, y0, O, false);
    }
  }
  eachTap(s, xp, yp, (tap, x0, y0, rows) => {
    if (!joined) return part(tap, x0, y0, rows, false);
    // Before and behind the rows that are done.
    const [low, high] = reach(s, tap);
    part(tap, x0, y0, Math.min(high, from) - low, false);
    const skip = Math.max(low, to) - low;
    part(tap, x0 + 4 * skip * row, y0 + 4 * skip * O, high - Math.max(low, to), false);
  });
}

/** dx = the sum over taps of dy with that tap of w, turned. */
export function fastInputGrad(k: Kernels, s: ConvShape, dy: CpuView, w: CpuView, dx: CpuView): void {
  const [I, O, G] = [s.inChannels, s.outChannels, s.groups];
  const [i, o] = [I / G, O / G];
  const wp = address(w);
  dx.data.fill(0, dx.offset, dx.offset + s.batch * s.inLength * I);
  eachTap(s, address(dx), address(dy), (tap, x0, y0, rows) => {
    for (let g = 0; g < G; g++) {
      const at = wp + 4 * (tap * i * O + g * o);
      k.gemm(rows, i, o, y0 + 4 * g * o, O, 1, at, 1, O, x0 + 4 * g * i, s.stride * I, true);
    }
  });
}

/** dw = for each tap the product of x, shifted and turned, with dy. */
export function fastWeightGrad(k: Kernels, s: ConvShape, x: CpuView, dy: CpuView, dw: CpuView): void {
  const [I, O, G] = [s.inChannels, s.outChannels, s.groups];
  const [i, o] = [I / G, O / G];
  const wp = address(dw);
  dw.data.fill(0, dw.offset, dw.offset + s.width * i * O);
  eachTap(s, address(x), address(dy), (tap, x0, y0, rows) => {
    for (let g = 0; g < G; g++) {
      const at = wp + 4 * (tap * i * O + g * o);
      k.gemm(i, o, rows, x0 + 4 * g * i, 1, s.stride * I, y0 + 4 * g * o, O, 1, at, O, true);
    }
  });
}

/**
 * Depthwise: every channel with its own filter. `backward` turns the roles of x and y round, for stride 1.
 */
export function fastDepthwise(
  k: Kernels,
  s: ConvShape,
  backward: boolean,
  src: CpuView,
  w: CpuView,
  out: CpuView,
): void {
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
      k.depthwiseRows(
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

/** dw of a depthwise convolution; `sums` [W, C] in double, in the heap. */
export function fastDepthwiseWeight(
  k: Kernels,
  s: ConvShape,
  x: CpuView,
  dy: CpuView,
  dw: CpuView,
  sums: Float64Array,
): void {
  const C = s.inChannels;
  sums.fill(0, 0, s.width * C);
  eachTap(s, address(x), address(dy), (tap, x0, y0, rows) =>
    k.productRowsTo(sums.byteOffset + 8 * tap * C, x0, 4 * s.stride * C, y0, 4 * C, C, rows),
  );
  for (let i = 0; i < s.width * C; i++) dw.data[dw.offset + i] = sums[i];
}
