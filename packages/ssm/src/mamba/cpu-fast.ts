import { address } from '@seq/tensor';
import type { CpuCall, CpuView, Kernels } from '@seq/tensor';
import { operandsOf, scanSizes } from './shape.js';
import type { ScanAttrs, ScanSizes } from './shape.js';

/** Floats of scratch: A turned, decays, what comes in, two states, and a chunk of step sizes and scaled inputs. */
function floats({ C, N, L }: ScanSizes): number {
  return 5 * N * C + 2 * L * C;
}

/** Bytes of scratch of the forward scan on the kernels of the device. */
export function fastScratch(list: readonly { readonly shape: readonly number[] }[]): number {
  return 8 * Math.ceil(floats(scanSizes(list)) / 2);
}

/** True for what the kernels serve: one group, B and C that change with the position. */
export function isFast(inputs: readonly CpuView[]): boolean {
  const { G, varB, varC, C, N } = scanSizes(inputs);
  return G === 1 && varB && varC && C * N >= 64 && inputs[0].data instanceof Float32Array;
}

/**
 * Forward on the kernels of the device, all channels of a position at a time: states lie as [N, C], so that step sizes
 * and inputs are rows and B, C numbers. A state passes to the next by one multiply-add; y is a vector times a matrix.
 */
export function forwardFast(k: Kernels, { inputs, outputs, attrs, scratch }: CpuCall<ScanAttrs>): void {
  const o = operandsOf(inputs, attrs);
  const sizes = scanSizes(inputs);
  const { B, T, C, N, L, K } = sizes;
  const size = 4 * N * C;
  const base = scratch.byteOffset;
  const [rates, decay, input] = [base, base + size, base + 2 * size];
  const states = [base + 3 * size, base + 4 * size];
  const steps = base + 5 * size;
  const scaled = steps + 4 * L * C;
  const [u, delta, Bs, Cs] = [o.u, o.delta, o.Bs, o.Cs].map(address);
  const [y, last, starts] = outputs.map(address);
  k.copyRows(rates, C, N, address(o.A), N, 1);
  for (let b = 0; b < B; b++) {
    let now = 0;
    k.copyRows(states[now], C, N, address(o.h0) + size * b, N, 1);
    for (let chunk = 0; chunk < K; chunk++) {
      k.copyRows(starts + size * (b * K + chunk), N, C, states[now], C, 1);
      const first = chunk * L;
      const count = Math.min(T, first + L) - first;
      const at = 4 * (b * T + first) * C;
      if (count <= 0) break;
      const all = count * C;
      if (o.bias) k.addRows(steps, C, count, delta + at, 1, C, address(o.bias), 1, 0);
      else k.copyRows(steps, all, 1, delta + at, 1, all);
      if (attrs.softplus) k.softplusRow(steps, steps, 1, all);
      k.mulRows(scaled, all, 1, steps, 1, 0, u + at, 1, 0);
      for (let t = 0; t < count; t++) {
        const row = 4 * t * C;
        const position = 4 * (b * T + first + t) * N;
        k.mulRows(decay, C, N, steps + row, 1, 0, rates, 1, C);
        k.expRow(decay, decay, 1, N * C);
        k.mulRows(input, C, N, scaled + row, 1, 0, Bs + position, 0, 1);
        const next = states[1 - now];
        k.recurRows(states[now], next - states[now], decay, 0, 4, input, 0, N * C, 2);
        now = 1 - now;
        k.gemm(1, C, N, Cs + position, N, 1, next, C, 1, y + at + row, C, false);
      }
      if (o.D) {
        k.mulRows(steps, C, count, u + at, 1, C, address(o.D), 1, 0);
        k.addRows(y + at, all, 1, y + at, 1, 0, steps, 1, 0);
      }
      if (o.z) {
        k.siluRow(steps, address(o.z) + at, 1, all);
        k.mulRows(y + at, all, 1, y + at, 1, 0, steps, 1, 0);
      }
    }
    k.copyRows(last + size * b, N, C, states[now], C, 1);
  }
}
