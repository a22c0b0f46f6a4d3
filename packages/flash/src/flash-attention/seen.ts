// Which keys a query sees, for kernels of the CPU.
import type { CpuView } from '@seq/tensor';
import type { FlashAttrs, FlashInputs, Sizes } from './call.js';

/** A query's place: its position p and the positions [from, to) that it may see. */
export interface Place {
  p: number;
  from: number;
  to: number;
}

/** Fills in the place of query i of batch row b. */
export type PlaceOf = (b: number, i: number, place: Place) => void;

/** The rule of a call. */
export function placing(inputs: FlashInputs<CpuView>, attrs: FlashAttrs, { T, S }: Sizes): PlaceOf {
  const { left, right, ring } = attrs;
  const { position, first, places } = inputs;
  const end = ring > 0 ? Infinity : S;
  return (b, i, place) => {
    let [p, from, to] = [i + S - T, 0, end];
    if (position) {
      p = at(position, b) + i;
      from = Math.max(0, at(first!, b));
    } else if (places) {
      const n = places.offset + b * places.strides[0] + i * places.strides[1];
      [p, from, to] = [0, 1, 2].map((c) => places.data[n + c * places.strides[2]]);
      [from, to] = [Math.max(0, from), Math.min(S, to)];
    }
    place.p = p;
    place.from = Math.max(from, p - left);
    place.to = Math.max(place.from, Math.min(to, p + right + 1));
  };
}

/** Position of key j of batch row b: j itself, unless the first `ring` keys are a ring. */
export function keyPlacing(
  { position }: FlashInputs<CpuView>,
  { ring }: FlashAttrs,
  { S }: Sizes,
): (b: number, j: number) => number {
  if (ring === 0) return (_, j) => j;
  return (b, j) => {
    // A ring of all keys holds the one query's own already; otherwise it ends before the first query.
    const start = at(position!, b);
    const last = S === ring ? start : start - 1;
    if (j >= ring) return start + j - ring;
    return last - ((((last - j) % ring) + ring) % ring);
  };
}

const at = (x: CpuView, i: number): number => x.data[x.offset + i * x.strides[0]];
