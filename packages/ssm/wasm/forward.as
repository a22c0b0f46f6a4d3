// The selective scan: four channels at a time, position by position, their states in the nearest cache.
import { madd, packA } from '../../tensor/wasm/memory';
import { silu, softplus } from '../../tensor/wasm/functions';
import { channel, decayOf, gather, load, scatter, store } from './quad';

/**
 *   h ← exp(δ A) h + δ u B      y = (C h + D u) silu(z)
 *
 * Units are groups of four channels, ⌈C / 4⌉ for each member of the batch. Addresses of u, delta, z, y [B, T, C],
 * A [C, N], Bs, Cs [B, T, G, N], h0, last [B, C, N], D, bias [C] and the states before each chunk, starts [B, K, C, N];
 * 0 for what is absent.
 */
export function selectiveScan(
  u: usize, delta: usize, A: usize, Bs: usize, Cs: usize, h0: usize, D: usize, z: usize, bias: usize,
  y: usize, last: usize, starts: usize,
  from: i32, to: i32, T: i32, C: i32, N: i32, G: i32, L: i32, smooth: i32,
): void {
  const quads = (C + 3) / 4;
  const rates = packA();
  const state = rates + 16 * N;
  const chunks = max((T + L - 1) / L, 1);
  for (let unit = from; unit < to; unit++) {
    const b = unit / quads;
    const c = 4 * (unit - b * quads);
    const lanes = min(C - c, 4);
    const states = 4 * N * (b * C + c);
    const skip = load(channel(D, c), lanes);
    const shift = load(channel(bias, c), lanes);
    gather(rates, A + 4 * c * N, N, lanes);
    gather(state, h0 + states, N, lanes);
    let i = 4 * (b * T * C + c);
    let j = 4 * N * (b * T * G + (c * G) / C);
    for (let k = 0; k < chunks; k++) {
      scatter(starts + 4 * N * ((b * chunks + k) * C + c), state, N, lanes);
      const end = min(T - k * L, L);
      for (let t = 0; t < end; t++) {
        let step = f32x4.add(load(delta + i, lanes), shift);
        if (smooth) step = softplus(step);
        const x = load(u + i, lanes);
        let out = advance(f32x4.mul(skip, x), step, f32x4.mul(step, x), rates, state, Bs + j, Cs + j, N);
        if (z != 0) out = f32x4.mul(out, silu(load(z + i, lanes)));
        store(y + i, out, lanes);
        i += 4 * C;
        j += 4 * G * N;
      }
    }
    scatter(last + states, state, N, lanes);
  }
}

/** States [N, 4] of four channels from one position to the next; gives C h + `sum`. */
function advance(
  sum: v128, step: v128, input: v128, rates: usize, state: usize, Bs: usize, Cs: usize, N: i32,
): v128 {
  for (let n = 0; n < N; n++) {
    const decay = decayOf(f32x4.mul(step, v128.load(rates)));
    const h = madd(decay, v128.load(state), f32x4.mul(input, v128.load32_splat(Bs)));
    v128.store(state, h);
    sum = madd(v128.load32_splat(Cs), h, sum);
    rates += 16;
    state += 16;
    Bs += 4;
    Cs += 4;
  }
  return sum;
}
