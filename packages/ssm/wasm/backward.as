// Gradients of the selective scan: chunks from the last to the first, in each four channels at a time. The states and
// decays of a chunk are computed again from the state at its beginning and stay in the cache.
import { madd, packB } from '../../tensor/wasm/memory';
import { sigmoid, softplus } from '../../tensor/wasm/functions';
import { channel, decayOf, gather, load, scatter, scatterAdd, store, total } from './quad';

/** Bytes that are kept of a position of four channels: δ, δ u, g, and room for two sums. */
const NOTE = 80;

/**
 * With g the gradient by C h + D u and λ that by h:
 *
 *   λ_t = a_{t+1} λ_{t+1} + C_t g_t      dC_t = Σ g_t h_t      dB_t = Σ λ_t δ_t u_t      dA = Σ λ_t δ_t a_t h_{t−1}
 *   du_t = D g_t + δ_t Σ λ_t B_t         dδ_t = Σ λ_t (A a_t h_{t−1} + B_t u_t)          dh_0 = a_1 λ_1
 *
 * Units are members of the batch. Addresses as in `selectiveScan`, with dy [B, T, C] and dlast [B, C, N]. Gradients by A,
 * D and bias are those of each member: [B, C, N], [B, C] and [B, C].
 */
export function selectiveScanBackward(
  u: usize, delta: usize, A: usize, Bs: usize, Cs: usize, D: usize, z: usize, bias: usize,
  dy: usize, dlast: usize, starts: usize,
  du: usize, ddelta: usize, dA: usize, dB: usize, dC: usize, dh0: usize, dz: usize, dD: usize, dbias: usize,
  from: i32, to: i32, T: i32, C: i32, N: i32, G: i32, L: i32, smooth: i32,
): void {
  const size = 16 * N;
  const rates = packB();
  const lambda = rates + size;
  const byA = lambda + size;
  const byB = byA + size;
  const byC = byB + L * size;
  const decays = byC + L * size;
  const states = decays + L * size;
  const notes = states + (L + 1) * size;
  const chunks = max((T + L - 1) / L, 1);
  const width = C / G;
  for (let b = from; b < to; b++) {
    const member = 4 * b * C;
    memory.copy(dh0 + member * N, dlast + member * N, 4 * C * N);
    memory.fill(dA + member * N, 0, 4 * C * N);
    memory.fill(dD + member, 0, 4 * C);
    memory.fill(dbias + member, 0, 4 * C);
    for (let k = chunks - 1; k >= 0; k--) {
      const count = min(T - k * L, L);
      const first = b * T + k * L;
      for (let group = 0; group < G; group++) {
        const j = 4 * N * (first * G + group);
        memory.fill(byB, 0, 2 * L * size);
        for (let c = group * width; c < (group + 1) * width; c += 4) {
          const lanes = min(C - c, 4);
          const here = (member + 4 * c) * N;
          const skip = load(channel(D, c), lanes);
          const shift = load(channel(bias, c), lanes);
          gather(rates, A + 4 * c * N, N, lanes);
          gather(lambda, dh0 + here, N, lanes);
          gather(states, starts + 4 * N * ((b * chunks + k) * C + c), N, lanes);
          memory.fill(byA, 0, size);

          let i = 4 * (first * C + c);
          for (let t = 0; t < count; t++) {
            const note = notes + t * NOTE;
            let step = f32x4.add(load(delta + i, lanes), shift);
            if (smooth) step = softplus(step);
            const x = load(u + i, lanes);
            const sum = again(
              f32x4.mul(skip, x), step, f32x4.mul(step, x),
              rates, decays + t * size, states + t * size, Bs + j + 4 * t * G * N, Cs + j + 4 * t * G * N, N,
            );
            let g = load(dy + i, lanes);
            if (z != 0) {
              const gate = load(z + i, lanes);
              const s = sigmoid(gate);
              const rest = f32x4.sub(f32x4.splat(1), s);
              store(dz + i, f32x4.mul(f32x4.mul(g, sum), f32x4.mul(s, madd(gate, rest, f32x4.splat(1)))), lanes);
              g = f32x4.mul(g, f32x4.mul(gate, s));
            }
            v128.store(note, step);
            v128.store(note + 16, f32x4.mul(step, x));
            v128.store(note + 32, g);
            i += 4 * C;
          }

          let skipped = f32x4.splat(0);
          let shifted = f32x4.splat(0);
          for (let t = count - 1; t >= 0; t--) {
            i -= 4 * C;
            const note = notes + t * NOTE;
            back(
              note, rates, lambda, byA, byB + t * size, byC + t * size, decays + t * size, states + t * size,
              Bs + j + 4 * t * G * N, Cs + j + 4 * t * G * N, N,
            );
            const x = load(u + i, lanes);
            const g = v128.load(note + 32);
            const taken = v128.load(note + 48);
            let slope = madd(x, taken, v128.load(note + 64));
            if (smooth) slope = f32x4.mul(slope, sigmoid(f32x4.add(load(delta + i, lanes), shift)));
            store(du + i, madd(v128.load(note), taken, f32x4.mul(skip, g)), lanes);
            store(ddelta + i, slope, lanes);
            skipped = madd(g, x, skipped);
            shifted = f32x4.add(slope, shifted);
          }
          store(dD + member + 4 * c, f32x4.add(load(dD + member + 4 * c, lanes), skipped), lanes);
          store(dbias + member + 4 * c, f32x4.add(load(dbias + member + 4 * c, lanes), shifted), lanes);
          scatter(dh0 + here, lambda, N, lanes);
          scatterAdd(dA + here, byA, N, lanes);
        }
        for (let t = 0; t < count; t++) {
          for (let n = 0; n < N; n++) {
            const at = j + 4 * (t * G * N + n);
            const row = t * size + 16 * n;
            f32.store(dB + at, total(v128.load(byB + row)));
            f32.store(dC + at, total(v128.load(byC + row)));
          }
        }
      }
    }
  }
}

/** The states after a position behind those before it, and the decays between; gives C h + `sum`. */
function again(
  sum: v128, step: v128, input: v128, rates: usize, decays: usize, states: usize, Bs: usize, Cs: usize, N: i32,
): v128 {
  const after = states + 16 * N;
  for (let n = 0; n < N; n++) {
    const at = 16 * n;
    const row = 4 * n;
    const decay = decayOf(f32x4.mul(step, v128.load(rates + at)));
    const h = madd(decay, v128.load(states + at), f32x4.mul(input, v128.load32_splat(Bs + row)));
    v128.store(decays + at, decay);
    v128.store(after + at, h);
    sum = madd(v128.load32_splat(Cs + row), h, sum);
  }
  return sum;
}

/** λ from one position to the one before, and what the position adds to all sums; Σ λ B and Σ λ A a h go into the note. */
function back(
  note: usize, rates: usize, lambda: usize, byA: usize, byB: usize, byC: usize, decays: usize, states: usize,
  Bs: usize, Cs: usize, N: i32,
): void {
  const step = v128.load(note);
  const input = v128.load(note + 16);
  const g = v128.load(note + 32);
  const after = states + 16 * N;
  let taken = f32x4.splat(0);
  let faded = f32x4.splat(0);
  for (let n = 0; n < N; n++) {
    const at = 16 * n;
    const row = 4 * n;
    const by = madd(v128.load32_splat(Cs + row), g, v128.load(lambda + at));
    const decayed = f32x4.mul(by, v128.load(decays + at));
    const kept = f32x4.mul(decayed, v128.load(states + at));
    v128.store(lambda + at, decayed);
    v128.store(byA + at, madd(kept, step, v128.load(byA + at)));
    v128.store(byB + at, madd(by, input, v128.load(byB + at)));
    v128.store(byC + at, madd(g, v128.load(after + at), v128.load(byC + at)));
    taken = madd(by, v128.load32_splat(Bs + row), taken);
    faded = madd(kept, v128.load(rates + at), faded);
  }
  v128.store(note + 48, taken);
  v128.store(note + 64, faded);
}
