// The gamma memory: every tap from itself and its neighbour, one position earlier.
import { madd } from '../../../packages/tensor/wasm/memory';

/**
 * g_0 ← x      g_k ← g_k + μ (g_{k−1} − g_k), for `rows` rows of the batch.
 *
 * Addresses of g [rows, T, C, N], x [rows, T, C], rate [C] and taps [rows, C, N], all f32.
 */
export function gammaTaps(g: usize, x: usize, rate: usize, taps: usize, rows: i32, T: i32, C: i32, N: i32): void {
  const channel = <usize>N * 4;
  for (let b = 0; b < rows; b++) {
    let before = taps;
    for (let t = 0; t < T; t++) {
      const now = g;
      for (let c: usize = 0; c < <usize>C * 4; c += 4) {
        const mu = v128.load32_splat(rate + c);
        f32.store(g, f32.load(x + c));
        let k: usize = 4;
        for (; k + 16 <= channel; k += 16) {
          const old = v128.load(before + k);
          v128.store(g + k, madd(mu, f32x4.sub(v128.load(before + k - 4), old), old));
        }
        for (; k < channel; k += 4) {
          const old = v128.load32_zero(before + k);
          const change = f32x4.sub(v128.load32_zero(before + k - 4), old);
          v128.store32_lane(g + k, madd(mu, change, old), 0);
        }
        g += channel;
        before += channel;
      }
      x += <usize>C * 4;
      before = now;
    }
    taps += <usize>C * channel;
  }
}
