// The CPU kernel of attendCached on the kernels of the device, for f32: each query is a vector times the keys, a
// softmax and a vector times the values.
import { address } from '@seq/tensor';
import type { CpuView, Kernels } from '@seq/tensor';

/** A run of slots side by side. */
interface Run {
  readonly slot: number;
  readonly count: number;
}

/** Positions [from, to) in M slots as one run, or as two where a ring wraps around. */
function runsOf(from: number, to: number, M: number): Run[] {
  const count = Math.max(0, to - from);
  const slot = count === 0 ? 0 : from % M;
  const ahead = Math.min(count, M - slot);
  return ahead === count
    ? [{ slot, count }]
    : [
        { slot, count: ahead },
        { slot: 0, count: count - ahead },
      ];
}

/** What a query sees and how its scores are bent. */
export interface CachedQuery {
  readonly b: number;
  /** Index of the query head and of its key-value head. */
  readonly h: number;
  readonly g: number;
  /** Row of the query and of the result: b T + t. */
  readonly row: number;
  /** The positions [from, to), of which `own` is the query's. */
  readonly from: number;
  readonly to: number;
  readonly own: number;
  readonly scale: number;
  /** 0: none. */
  readonly softcap: number;
  readonly slope: number;
  /** −∞: none. */
  readonly sink: number;
}

/**
 * All heads of one query at once, where the slots it sees lie side by side and scores are neither bent nor shared: products
 * of each key-value head with its queries.
 *
 * @param scratch  a score for each head and slot
 * @param row      of the query and of the result: b T + t
 * @returns        false where the heads have to be taken one by one
 */
export function attendHeads(
  kernels: Kernels,
  [q, k, v]: readonly CpuView[],
  o: CpuView,
  scratch: Float64Array,
  { b, row, from, to, scale }: Pick<CachedQuery, 'b' | 'row' | 'from' | 'to' | 'scale'>,
): boolean {
  const [H, D] = [q.shape[2], q.shape[3]];
  const [, M, G, V] = v.shape;
  const [n, R] = [to - from, H / G];
  if (n <= 0 || (from % M) + n > M) return false;
  const p = scratch.byteOffset;
  const slot = b * M + (from % M);
  const [keys, values] = [address(k) + 4 * slot * G * D, address(v) + 4 * slot * G * V];
  kernels.gemmBatch(G, R, n, D, address(q) + 4 * row * H * D, R * D, D, 1, keys, D, 1, G * D, p, R * n, n);
  kernels.scaleOf(p, H * n, scale);
  kernels.softmaxRows(p, p, n, H);
  const out = address(o) + 4 * row * H * V;
  kernels.gemmBatch(G, R, V, n, p, R * n, n, 1, values, V, G * V, 1, out, R * V, V);
  return true;
}

/** One query; `scratch` takes a score for each slot. */
export function attendCachedFast(
  kernels: Kernels,
  [q, k, v]: readonly CpuView[],
  o: CpuView,
  scratch: Float64Array,
  { b, h, g, row, from, to, own, scale, softcap, slope, sink }: CachedQuery,
): void {
  const [H, D] = [q.shape[2], q.shape[3]];
  const [, M, G, V] = v.shape;
  const p = scratch.byteOffset;
  const n = Math.max(0, to - from);
  const runs = runsOf(from, to, M);
  const query = address(q) + 4 * (row * H + h) * D;
  let at = p;
  for (const { slot, count } of runs) {
    const keys = address(k) + 4 * ((b * M + slot) * G + g) * D;
    if (count > 0) kernels.gemm(1, count, D, query, D, 1, keys, 1, G * D, at, count, false);
    at += 4 * count;
  }
  kernels.scaleOf(p, n, scale);
  if (softcap > 0 || slope !== 0) {
    const scores = new Float32Array(scratch.buffer, p, n);
    for (let j = 0; j < n; j++) {
      const s = softcap > 0 ? softcap * Math.tanh(scores[j] / softcap) : scores[j];
      scores[j] = s - slope * (own - from - j);
    }
  }
  const largest = Math.max(sink, kernels.maxOf(p, n));
  const rest = sink === -Infinity ? 0 : Math.exp(sink - largest);
  kernels.scaleOf(p, n, 1 / (rest + kernels.expStoreOf(p, p, n, largest)));
  const out = address(o) + 4 * (row * H + h) * V;
  at = p;
  for (const [i, { slot, count }] of runs.entries()) {
    const values = address(v) + 4 * ((b * M + slot) * G + g) * V;
    kernels.gemm(1, V, count, at, count, 1, values, G * V, 1, out, V, i > 0);
    at += 4 * count;
  }
}
