// The CPU kernel of the scan: position by position. WebAssembly in f32 where there is some, else loops whose state is in
// double precision.
import type { CpuCall, CpuView } from '@seq/tensor';
import { operandsOf, sizesOf } from './shapes.js';
import { scanForwardSimd } from './simd.js';
import type { ScanAttrs } from './shapes.js';

/** A view's numbers as loops use them. */
export type Floats = Float32Array | Float64Array;

/** The elements of a view from its first one. */
export function floatsOf(view: CpuView): Floats {
  return (view.data as Floats).subarray(view.offset);
}

/** Bytes of the state of one head, a row of values and a row of decays. */
export function forwardScratch(K: number, V: number): number {
  return 8 * (K * V + 2 * V + K);
}

/** Factors e^g of one position into `out`; without a log-decay they are 1 and nothing is written. */
export function decays(out: Float64Array, g: Floats | undefined, row: number, attrs: ScanAttrs): void {
  if (!g) return;
  if (attrs.decay === 'head') out.fill(Math.exp(g[row]));
  else for (let d = 0, K = out.length; d < K; d++) out[d] = Math.exp(g[row * K + d]);
}

export function scanForward(call: CpuCall<ScanAttrs>): void {
  if (!scanForwardSimd(call)) scanForwardLoops(call);
}

function scanForwardLoops({ inputs, outputs, attrs, scratch }: CpuCall<ScanAttrs>): void {
  const { B, T, G, H, K, V, N } = sizesOf(inputs[0], inputs[2], attrs);
  const { q, k, v, initial, g, a, b } = operandsOf(inputs.map(floatsOf), attrs);
  const [o, last, starts, u] = outputs.map(floatsOf) as [Floats, Floats, Floats?, Floats?];
  const S = scratch.subarray(0, K * V);
  const seen = scratch.subarray(K * V, K * V + V);
  const sums = scratch.subarray(K * V + V, K * V + 2 * V);
  const keep = scratch.subarray(K * V + 2 * V, K * V + 2 * V + K).fill(1);
  const own = attrs.erase === 'own';
  for (let n = 0; n < B; n++) {
    for (let h = 0; h < H; h++) {
      const state = (n * H + h) * K * V;
      S.set(initial.subarray(state, state + K * V));
      for (let t = 0; t < T; t++) {
        if (t % attrs.chunk === 0) starts?.set(S, ((n * N + t / attrs.chunk) * H + h) * K * V);
        const row = (n * T + t) * H + h;
        const shared = ((n * T + t) * G + Math.floor((h * G) / H)) * K;
        decays(keep, g, row, attrs);
        if (a) {
          seen.fill(0);
          for (let d = 0; d < K; d++) addScaled(seen, a[row * K + d], S, d * V, V);
          if (own) for (let e = 0; e < V; e++) seen[e] += v[row * V + e];
          u?.set(seen, row * V);
        }
        sums.fill(0);
        for (let d = 0; d < K; d++) {
          const at = d * V;
          const [kept, key, query] = [keep[d], k[shared + d], q[shared + d]];
          if (own) writeRow(S, at, kept, key, seen, 0, query, sums, V);
          else {
            if (b) {
              scaleAdd(S, at, kept, b[row * K + d], seen, V);
              writeRow(S, at, 1, key, v, row * V, query, sums, V);
            } else writeRow(S, at, kept, key, v, row * V, query, sums, V);
          }
        }
        o.set(sums, row * V);
      }
      last.set(S, state);
    }
  }
}

/** S ← kept S + key v, then sums += query S, for one row of the state. */
function writeRow(
  S: Float64Array,
  at: number,
  kept: number,
  key: number,
  v: Floats,
  from: number,
  query: number,
  sums: Float64Array,
  V: number,
): void {
  for (let e = 0; e < V; e++) {
    const next = kept * S[at + e] + key * v[from + e];
    S[at + e] = next;
    sums[e] += query * next;
  }
}

/** S ← kept S + key x, for one row of the state. */
export function scaleAdd(S: Float64Array, at: number, kept: number, key: number, x: Floats, V: number): void {
  for (let e = 0; e < V; e++) S[at + e] = kept * S[at + e] + key * x[e];
}

/** out += factor x[from …] */
export function addScaled(out: Float64Array, factor: number, x: Floats, from: number, n: number): void {
  for (let i = 0; i < n; i++) out[i] += factor * x[from + i];
}
