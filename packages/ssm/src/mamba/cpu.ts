import { sizeOf } from '@seq/tensor';
import type { CpuCall, CpuView } from '@seq/tensor';
import { operandsOf, scanSizes } from './shape.js';
import type { ScanAttrs, ScanOperands, ScanSizes } from './shape.js';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** δ from what stands in `delta`, and dδ/ddelta. */
function stepOf(raw: number, softplus: boolean): number {
  return softplus ? Math.max(raw, 0) + Math.log1p(Math.exp(-Math.abs(raw))) : raw;
}

/** First element of B or C for a position and a channel. */
function place(x: CpuView, { T, C, N, G }: ScanSizes, b: number, t: number, c: number): number {
  return x.offset + N * (x.shape.length === 2 ? c : (b * T + t) * G + Math.floor((c * G) / C));
}

const at = (x: CpuView | undefined, i: number): number => (x ? x.data[x.offset + i] : 0);

/** Scratch of the forward loops: a state. */
export function forwardScratch(N: number): number {
  return 8 * N;
}

/** Forward, a channel at a time, in double: y, the last state, the states at the beginning of each chunk. */
export function forwardLoops({ inputs, outputs, attrs, scratch }: CpuCall<ScanAttrs>): void {
  const o = operandsOf(inputs, attrs);
  const sizes = scanSizes(inputs);
  const { B, T, C, N, L, K } = sizes;
  const [y, last, starts] = outputs;
  const h = scratch.subarray(0, N);
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      const row = (b * C + c) * N;
      for (let n = 0; n < N; n++) h[n] = at(o.h0, row + n);
      for (let k = 0; k < K; k++) {
        starts.data.set(h, starts.offset + ((b * K + k) * C + c) * N);
        for (let t = k * L; t < Math.min(T, (k + 1) * L); t++) {
          const i = (b * T + t) * C + c;
          const z = o.z ? at(o.z, i) : 0;
          const sum = advance(o, sizes, attrs, h, b, t, c);
          y.data[y.offset + i] = o.z ? sum * z * sigmoid(z) : sum;
        }
      }
      last.data.set(h, last.offset + row);
    }
  }
}

/** h ← the state after position t, its decays kept if wanted; answers with C h + D u. */
function advance(
  o: ScanOperands<CpuView>,
  sizes: ScanSizes,
  { softplus }: ScanAttrs,
  h: Float64Array,
  b: number,
  t: number,
  c: number,
  decays?: Float64Array,
): number {
  const { T, C, N } = sizes;
  const i = (b * T + t) * C + c;
  const u = at(o.u, i);
  const step = stepOf(at(o.delta, i) + at(o.bias, c), softplus);
  const [A, Bs, Cs] = [o.A.data, o.Bs.data, o.Cs.data];
  const [p, q] = [place(o.Bs, sizes, b, t, c), place(o.Cs, sizes, b, t, c)];
  let sum = at(o.D, c) * u;
  for (let n = 0; n < N; n++) {
    const a = Math.exp(step * A[o.A.offset + c * N + n]);
    if (decays) decays[n] = a;
    h[n] = a * h[n] + step * u * Bs[p + n];
    sum += Cs[q + n] * h[n];
  }
  return sum;
}

/** Scratch of the backward loops: the states and decays of a chunk, λ, and sums for all gradients that are sums, in double. */
export function backwardScratch(list: readonly { readonly shape: readonly number[] }[]): number {
  const { C, N, L } = scanSizes(list);
  return 8 * ((2 * L + 2) * N + C * (N + 2) + sizeOf(list[3].shape) + sizeOf(list[4].shape));
}

/**
 * Backward: chunks from the last to the first, each from the state at its beginning. With g the gradient by C h + D u
 * and λ that by h:
 *
 *   λ_t = a_{t+1} λ_{t+1} + C_t g_t      dC_t = Σ g_t h_t      dB_t = Σ λ_t δ_t u_t      dA = Σ λ_t δ_t a_t h_{t−1}
 *   du_t = D g_t + δ_t Σ λ_t B_t         dδ_t = Σ λ_t (A a_t h_{t−1} + B_t u_t)          dh_0 = a_1 λ_1
 */
export function backwardLoops({ inputs, outputs, attrs, scratch }: CpuCall<ScanAttrs>): void {
  const o = operandsOf(inputs, attrs);
  const [dy, dlast, starts] = o.rest;
  const sizes = scanSizes(inputs);
  const { B, T, C, N, L, K } = sizes;
  const d = operandsOf(outputs, attrs);
  let from = 0;
  const piece = (n: number): Float64Array => scratch.subarray(from, (from += n));
  const states = piece((L + 1) * N);
  const decays = piece(L * N);
  const lambda = piece(N);
  const sums = [piece(C * N), piece(C), piece(C), piece(sizeOf(o.Bs.shape)), piece(sizeOf(o.Cs.shape))];
  const [dA, dD, dbias, dB, dC] = sums;
  for (const s of sums) s.fill(0);
  const A = (c: number, n: number): number => o.A.data[o.A.offset + c * N + n];
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      const row = (b * C + c) * N;
      for (let n = 0; n < N; n++) lambda[n] = at(dlast, row + n);
      for (let k = K - 1; k >= 0; k--) {
        const first = k * L;
        const end = Math.min(T, first + L);
        for (let n = 0; n < N; n++) states[n] = at(starts, ((b * K + k) * C + c) * N + n);
        for (let t = first; t < end; t++) {
          const here = (t - first + 1) * N;
          const h = states.subarray(here, here + N);
          h.set(states.subarray(here - N, here));
          const sum = advance(o, sizes, attrs, h, b, t, c, decays.subarray(here - N, here));
          if (!o.z || !d.z) continue;
          const i = (b * T + t) * C + c;
          const [z, s] = [at(o.z, i), sigmoid(at(o.z, i))];
          d.z.data[d.z.offset + i] = at(dy, i) * sum * s * (1 + z * (1 - s));
        }
        for (let t = end - 1; t >= first; t--) {
          const i = (b * T + t) * C + c;
          const raw = at(o.delta, i) + at(o.bias, c);
          const [u, step] = [at(o.u, i), stepOf(raw, attrs.softplus)];
          const z = at(o.z, i);
          const g = o.z ? at(dy, i) * z * sigmoid(z) : at(dy, i);
          const [p, q] = [place(o.Bs, sizes, b, t, c), place(o.Cs, sizes, b, t, c)];
          let [du, dstep] = [0, 0];
          for (let n = 0; n < N; n++) {
            const before = states[(t - first) * N + n];
            const after = states[(t - first + 1) * N + n];
            const a = decays[(t - first) * N + n];
            const by = lambda[n] + o.Cs.data[q + n] * g;
            dC[q - o.Cs.offset + n] += g * after;
            dB[p - o.Bs.offset + n] += by * step * u;
            dA[c * N + n] += by * step * a * before;
            du += by * o.Bs.data[p + n];
            dstep += by * (A(c, n) * a * before + o.Bs.data[p + n] * u);
            lambda[n] = a * by;
          }
          const ddelta = attrs.softplus ? dstep * sigmoid(raw) : dstep;
          d.u.data[d.u.offset + i] = step * du + at(o.D, c) * g;
          d.delta.data[d.delta.offset + i] = ddelta;
          dD[c] += g * u;
          dbias[c] += ddelta;
        }
      }
      d.h0.data.set(lambda, d.h0.offset + row);
    }
  }
  const put = (view: CpuView | undefined, from: Float64Array): void => view?.data.set(from, view.offset);
  put(d.A, dA);
  put(d.Bs, dB);
  put(d.Cs, dC);
  put(d.D, dD);
  put(d.bias, dbias);
}
