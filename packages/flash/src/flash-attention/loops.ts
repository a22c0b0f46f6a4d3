// The CPU kernels as loops, query by query, sums in double: every element type and stride, and the only form without
// WebAssembly. Memory beyond inputs and outputs: one row of scores.
import type { CpuCall, CpuView } from '@seq/tensor';
import { HIDDEN, named, namedGrad, sizesOf } from './call.js';
import type { FlashAttrs, FlashGradAttrs, FlashInputs, Sizes } from './call.js';
import { dropping } from './dropped.js';
import { keyPlacing, placing } from './seen.js';

/** Index of the first element of row (b, t, h) of a view [B, T, H, D]. */
export function rowAt(x: CpuView, b: number, t: number, h: number): number {
  return x.offset + b * x.strides[0] + t * x.strides[1] + h * x.strides[2];
}

/** What a query's scores are made of; the factors by which gradients pass through them are kept beside. */
interface Row {
  /** Keys seen, by index; the others of the row are not looked at. */
  readonly keys: Int32Array;
  count: number;
  readonly scores: Float64Array;
  /** d score / d (scale · q · k): below 1 where softcap bends. */
  readonly slopes: Float64Array;
  /** Factors of dropout. */
  readonly kept: Float64Array;
}

/** Scores of query (b, h, i) of all the keys that it sees. */
function scoring(
  inputs: FlashInputs<CpuView>,
  attrs: FlashAttrs,
  sizes: Sizes,
): (b: number, h: number, i: number, row: Row) => void {
  const { q, k, bias, slopes, key } = inputs;
  const { scale, softcap, dropout } = attrs;
  const { S, H, G, D } = sizes;
  const placeOf = placing(inputs, attrs, sizes);
  const positionOf = keyPlacing(inputs, attrs, sizes);
  const drop = key && dropping(key, dropout, sizes);
  const place = { p: 0, from: 0, to: 0 };
  const factors = new Float64Array(drop ? S : 0);
  const [qd, kd] = [q.strides[3], k.strides[3]];
  return (b, h, i, row) => {
    placeOf(b, i, place);
    const { p, from, to } = place;
    const [first, end] = attrs.ring > 0 ? [0, S] : [from, to];
    const g = Math.floor((h * G) / H);
    const qAt = rowAt(q, b, i, h);
    const slope = slopes ? slopes.data[slopes.offset + b * step(slopes, 0) + h * step(slopes, 1)] : 0;
    const biasAt = bias ? bias.offset + b * step(bias, 0) + h * step(bias, 1) + i * step(bias, 2) : 0;
    if (drop && end > first) drop(b, h, i, first, end, factors);
    row.count = 0;
    for (let j = first; j < end; j++) {
      const at = positionOf(b, j);
      if (at < from || at >= to) continue;
      const added = bias ? bias.data[biasAt + j * step(bias, 3)] : 0;
      if (added <= HIDDEN) continue;
      const kAt = rowAt(k, b, j, g);
      let s = 0;
      for (let d = 0; d < D; d++) s += q.data[qAt + d * qd] * k.data[kAt + d * kd];
      s *= scale;
      let bent = 1;
      if (softcap > 0) {
        const c = Math.tanh(s / softcap);
        [s, bent] = [softcap * c, 1 - c * c];
      }
      const n = row.count++;
      row.keys[n] = j;
      row.scores[n] = s + added - slope * Math.abs(p - at);
      row.slopes[n] = bent;
      row.kept[n] = drop ? factors[j - first] : 1;
    }
  };
}

/** Distance in elements along an axis; 0 where the axis has one place. */
export function step(x: CpuView, axis: number): number {
  return x.shape[axis] === 1 ? 0 : x.strides[axis];
}

/** Bytes of a row of scores. */
export function loopScratch(S: number): number {
  return 8 * 5 * S + 8;
}

function rowIn(scratch: Float64Array, S: number): { row: Row; weights: Float64Array } {
  const part = (n: number): Float64Array => scratch.subarray(n * S, (n + 1) * S);
  const keys = new Int32Array(scratch.buffer, scratch.byteOffset + 8 * 4 * S, S);
  return { row: { keys, count: 0, scores: part(0), slopes: part(1), kept: part(2) }, weights: part(3) };
}

/** o and lse, one query at a time. */
export function forwardLoops({ inputs, outputs: [o, lse], attrs, scratch }: CpuCall<FlashAttrs>): void {
  const all = named(inputs, attrs);
  const sizes = sizesOf(all);
  const { B, T, S, H, G, V } = sizes;
  const { v } = all;
  const score = scoring(all, attrs, sizes);
  const { row, weights } = rowIn(scratch, S);
  const sum = new Float64Array(V);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < T; i++) {
        score(b, h, i, row);
        const { count, keys, scores, kept } = row;
        let largest = -Infinity;
        for (let n = 0; n < count; n++) largest = Math.max(largest, scores[n]);
        let total = 0;
        for (let n = 0; n < count; n++) total += weights[n] = Math.exp(scores[n] - largest);
        sum.fill(0);
        for (let n = 0; n < count; n++) {
          const w = (weights[n] / total) * kept[n];
          const vAt = rowAt(v, b, keys[n], Math.floor((h * G) / H));
          for (let d = 0; d < V; d++) sum[d] += w * v.data[vAt + d * v.strides[3]];
        }
        o.data.set(sum, o.offset + ((b * T + i) * H + h) * V);
        lse.data[lse.offset + (b * H + h) * T + i] = count === 0 ? -Infinity : largest + Math.log(total);
      }
}

/** Gradients by q, k, v and bias, one query at a time; weights are made again from lse. */
export function backwardLoops({ inputs, outputs, attrs, scratch }: CpuCall<FlashGradAttrs>): void {
  const { dO, dLse, o, lse, forward } = namedGrad(inputs, attrs);
  const all = named(forward, attrs);
  const sizes = sizesOf(all);
  const { B, T, S, H, G, D, V } = sizes;
  const { q, k, v } = all;
  const [dq, dk, dv, dBias] = outputs;
  for (const x of outputs) x.data.fill(0, x.offset, x.offset + x.shape.reduce((n, d) => n * d, 1));
  const score = scoring(all, attrs, sizes);
  const { row } = rowIn(scratch, S);
  const dqRow = new Float64Array(D);
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = 0; i < T; i++) {
        score(b, h, i, row);
        const { count, keys, scores, slopes, kept } = row;
        const g = Math.floor((h * G) / H);
        const [oAt, doAt, qAt] = [rowAt(o, b, i, h), rowAt(dO, b, i, h), rowAt(q, b, i, h)];
        const lseAt = (x: CpuView): number =>
          x.data[x.offset + b * x.strides[0] + h * x.strides[1] + i * x.strides[2]];
        let delta = dLse ? -lseAt(dLse) : 0;
        for (let d = 0; d < V; d++)
          delta += dO.data[doAt + d * dO.strides[3]] * o.data[oAt + d * o.strides[3]];
        const norm = lseAt(lse);
        dqRow.fill(0);
        for (let n = 0; n < count; n++) {
          const p = Math.exp(scores[n] - norm);
          const [kAt, vAt] = [rowAt(k, b, keys[n], g), rowAt(v, b, keys[n], g)];
          const dvAt = dv.offset + ((b * S + keys[n]) * G + g) * V;
          let dp = 0;
          for (let d = 0; d < V; d++) {
            const by = dO.data[doAt + d * dO.strides[3]];
            dp += by * v.data[vAt + d * v.strides[3]];
            dv.data[dvAt + d] += p * kept[n] * by;
          }
          const ds = p * (dp * kept[n] - delta);
          if (dBias)
            dBias.data[
              dBias.offset +
                b * step(dBias, 0) +
                h * step(dBias, 1) +
                i * step(dBias, 2) +
                keys[n] * step(dBias, 3)
            ] += ds;
          const by = ds * slopes[n] * attrs.scale;
          const dkAt = dk.offset + ((b * S + keys[n]) * G + g) * D;
          for (let d = 0; d < D; d++) {
            dqRow[d] += by * k.data[kAt + d * k.strides[3]];
            dk.data[dkAt + d] += by * q.data[qAt + d * q.strides[3]];
          }
        }
        dq.data.set(dqRow, dq.offset + ((b * T + i) * H + h) * D);
      }
}
