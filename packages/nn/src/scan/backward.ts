// The CPU kernel of the scan's gradient: chunk by chunk from the last, the states of a chunk computed again from the one
// it begins with. Rows of the state do not depend on each other once it is known what was written.
import type { CpuCall } from '@seq/tensor';
import { decays, floatsOf, scaleAdd } from './forward.js';
import type { Floats } from './forward.js';
import { operandsOf, sizesOf } from './shapes.js';
import type { ScanAttrs, ScanOperands } from './shapes.js';
import { scanBackwardSimd } from './simd.js';

/** Bytes: the gradient of the state twice, and for a chunk a row's states, two sets of values, decays and their gradients. */
export function backwardScratch(K: number, V: number, chunk: number): number {
  return 8 * (2 * K * V + (3 * chunk + 2) * V + chunk * (K + 1));
}

/** One chunk of one head. */
interface Chunk {
  /** Its positions: rows of [B, T, H] and of [B, T, G], and how many. */
  readonly rows: readonly number[];
  readonly shared: readonly number[];
  readonly K: number;
  readonly V: number;
  readonly inputs: ScanOperands<Floats>;
  readonly grads: ScanOperands<Floats>;
  readonly dO: Floats;
  /** What was written by erasing. */
  readonly u?: Floats;
  /** The state before the first position, from `start`. */
  readonly first: Floats;
  readonly start: number;
}

/** Memory of the kernel. */
interface Work {
  /** [K, V] the gradient by the state, without what the positions before have read */
  readonly w: Float64Array;
  /** [K, V] */
  readonly later: Float64Array;
  /** [L + 1, V] */
  readonly states: Float64Array;
  /** [V] */
  readonly row: Float64Array;
  /** [L, V] gradients of what was written by erasing */
  readonly du: Float64Array;
  /** [L, V] */
  readonly dv: Float64Array;
  /** [L, K] factors e^g */
  readonly keep: Float64Array;
  /** [L] gradients of a head's log-decays */
  readonly dg: Float64Array;
}

/**
 * Inputs dO, dState, the inputs of the scan, the states of its chunks, what was written. With λ_t the gradient by the state after
 * t and w its part from later positions:
 *
 *   λ_t = w + q_t do_tᵀ     du_t = λ_tᵀ b_t     w ← diag(e^g_t) λ_t + a_t du_tᵀ     (own: k_t for b_t)
 *
 *   dq = S_t do   dk = λ_t v   dv = λ_tᵀ k   db = λ_t u   da = S_{t−1} du   dg = e^g Σ_V λ_t ∘ S_{t−1}
 *
 * dq and dk are those of every head of v.
 */
export function scanBackward(call: CpuCall<ScanAttrs>): void {
  if (!scanBackwardSimd(call)) scanBackwardLoops(call);
}

function scanBackwardLoops({ inputs: all, outputs, attrs, scratch }: CpuCall<ScanAttrs>): void {
  const [dO, dState] = all.slice(0, 2).map(floatsOf);
  const views = all.slice(2, 2 + outputs.length);
  const [starts, u] = all.slice(2 + outputs.length).map(floatsOf);
  const { B, T, G, H, K, V, N } = sizesOf(views[0], views[2], attrs);
  const inputs = operandsOf(views.map(floatsOf), attrs);
  const grads = operandsOf(outputs.map(floatsOf), attrs);
  const work = workOf(scratch, K, V, Math.min(attrs.chunk, T));
  for (let n = 0; n < B; n++) {
    for (let h = 0; h < H; h++) {
      const state = (n * H + h) * K * V;
      work.w.set(dState.subarray(state, state + K * V));
      for (let c = N - 1; c >= 0; c--) {
        const from = c * attrs.chunk;
        const times = Array.from({ length: Math.min(attrs.chunk, T - from) }, (_, i) => n * T + from + i);
        const chunk: Chunk = {
          rows: times.map((t) => t * H + h),
          shared: times.map((t) => t * G + Math.floor((h * G) / H)),
          K,
          V,
          inputs,
          grads,
          dO,
          ...(u && { u }),
          first: starts,
          start: ((n * N + c) * H + h) * K * V,
        };
        work.keep.fill(1);
        chunk.rows.forEach((r, i) => decays(work.keep.subarray(i * K, i * K + K), inputs.g, r, attrs));
        chunkBackward(chunk, work, attrs);
      }
      grads.initial.set(work.w, state);
    }
  }
}

function workOf(scratch: Float64Array, K: number, V: number, L: number): Work {
  let used = 0;
  const take = (n: number): Float64Array => scratch.subarray(used, (used += n));
  return {
    w: take(K * V),
    later: take(K * V),
    states: take((L + 1) * V),
    row: take(V),
    du: take(L * V),
    dv: take(L * V),
    keep: take(L * K),
    dg: take(L),
  };
}

function chunkBackward(chunk: Chunk, work: Work, attrs: ScanAttrs): void {
  const { rows, K, V, grads } = chunk;
  const { du, dv, dg } = work;
  dv.fill(0);
  dg.fill(0);
  if (attrs.erase !== 'none') writtenBackward(chunk, work);
  for (let d = 0; d < K; d++) {
    rowStates(chunk, work, d, attrs);
    rowBackward(chunk, work, d, attrs);
  }
  const values = attrs.erase === 'own' ? du : dv;
  rows.forEach((r, i) => {
    grads.v.set(values.subarray(i * V, i * V + V), r * V);
    if (attrs.decay === 'head') grads.g![r] = dg[i];
  });
}

/** Gradients of what was written by erasing: they depend on all rows, since what was erased was read from all. */
function writtenBackward({ rows, shared, K, V, inputs: { q, k, a, b }, dO }: Chunk, work: Work): void {
  const { w, later, du, keep } = work;
  later.set(w);
  du.fill(0);
  for (let i = rows.length - 1; i >= 0; i--) {
    const [r, s, at] = [rows[i], shared[i], i * V];
    for (let d = 0; d < K; d++) {
      const key = b ? b[r * K + d] : k[s * K + d];
      const query = q[s * K + d];
      for (let e = 0, x = d * V; e < V; e++, x++) {
        later[x] += query * dO[r * V + e];
        du[at + e] += key * later[x];
      }
    }
    const written = du.subarray(at, at + V);
    for (let d = 0; d < K; d++) scaleAdd(later, d * V, keep[i * K + d], a![r * K + d], written, V);
  }
}

/** The states of row d after every position of the chunk, and the gradients of what they are multiplied with. */
function rowStates(
  { rows, shared, K, V, inputs, grads, dO, u, first, start }: Chunk,
  work: Work,
  d: number,
  { erase }: ScanAttrs,
): void {
  const { states, du, keep } = work;
  const x = erase === 'own' ? u! : inputs.v;
  for (let e = 0; e < V; e++) states[e] = first[start + d * V + e];
  for (let i = 0; i < rows.length; i++) {
    const [r, at] = [rows[i], i * V];
    const kept = keep[i * K + d];
    const key = inputs.k[shared[i] * K + d];
    let dQuery = 0;
    for (let e = 0; e < V; e++) states[at + V + e] = kept * states[at + e] + key * x[r * V + e];
    if (inputs.b) {
      const factor = inputs.b[r * K + d];
      for (let e = 0; e < V; e++) states[at + V + e] += factor * u![r * V + e];
    }
    for (let e = 0; e < V; e++) dQuery += states[at + V + e] * dO[r * V + e];
    grads.q[r * K + d] = dQuery;
    if (grads.a) {
      let dRead = 0;
      for (let e = 0; e < V; e++) dRead += states[at + e] * du[at + e];
      grads.a[r * K + d] = dRead;
    }
  }
}

/** Against time through the chunk: the gradient by row d of the state, and those of what was written to it. */
function rowBackward(
  { rows, shared, K, V, inputs, grads, dO, u }: Chunk,
  work: Work,
  d: number,
  { erase, decay }: ScanAttrs,
): void {
  const { w, states, row, du, dv, keep, dg } = work;
  const { q, k, v, a } = inputs;
  const x = erase === 'own' ? u! : v;
  row.set(w.subarray(d * V, d * V + V));
  for (let i = rows.length - 1; i >= 0; i--) {
    const [r, s, at] = [rows[i], shared[i], i * V];
    const [query, key, kept] = [q[s * K + d], k[s * K + d], keep[i * K + d]];
    let [dKey, dDecay] = [0, 0];
    for (let e = 0; e < V; e++) {
      const lambda = row[e] + query * dO[r * V + e];
      dKey += lambda * x[r * V + e];
      dDecay += lambda * states[at + e];
      dv[at + e] += key * lambda;
      row[e] = lambda;
    }
    grads.k[r * K + d] = dKey;
    if (decay === 'key') grads.g![r * K + d] = kept * dDecay;
    else dg[i] += kept * dDecay;
    if (grads.b) {
      let dWrite = 0;
      for (let e = 0; e < V; e++) dWrite += row[e] * u![r * V + e];
      grads.b[r * K + d] = dWrite;
    }
    if (a) scaleAdd(row, 0, kept, a[r * K + d], du.subarray(at, at + V), V);
    else for (let e = 0; e < V; e++) row[e] *= kept;
  }
  w.set(row, d * V);
}
