import {
  add,
  at,
  concat,
  exp,
  expandDims,
  mul,
  pad,
  repeat,
  reshape,
  scan,
  slice,
  sum,
  vjp,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { listOf, operandsOf, sizesOf } from './shapes.js';
import type { ScanAttrs, ScanOperands } from './shapes.js';

/** q and k of every head, where heads share them. */
export function spreadHeads({ q, k, ...rest }: ScanOperands<Tensor>): ScanOperands<Tensor> {
  const times = rest.v.shape[2] / q.shape[2];
  const spread = (x: Tensor): Tensor => (times === 1 ? x : repeat(x, times, 2));
  return { q: spread(q), k: spread(k), ...rest };
}

/** The recurrence as a loop over positions: the oracle of the kernels, and what a second differentiation goes through. */
export function scanReference(inputs: readonly Tensor[], attrs: ScanAttrs): Tensor[] {
  const { initial, q, k, v, g, a, b } = spreadHeads(operandsOf(inputs, attrs));
  const { B, H, K, V, N } = sizesOf(q, v, attrs);
  const now = { q, k, v, ...(g && { g }), ...(a && { a }), ...(b && { b }) };
  const [last, ys] = scan(
    (S: Tensor, x: typeof now) => {
      const seen = x.a ? sum(mul(expandDims(x.a, -1), S), 2) : undefined; // [B, H, V]
      const decay = x.g && exp(reshape(x.g, [B, H, -1, 1]));
      const written = seen && !x.b ? add(x.v, seen) : x.v;
      let next = add(decay ? mul(decay, S) : S, outer(x.k, written));
      if (x.b) next = add(next, outer(x.b, seen!));
      const o = sum(mul(expandDims(x.q, -1), next), 2);
      return [next, { o, next, u: x.b ? seen! : written }] as const;
    },
    initial,
    now,
    { axis: 1 },
  );
  // The state before the first position, and every L-th one behind it.
  const before = concat([expandDims(initial, 1), slice(ys.next, 1, 0, v.shape[1] - 1)], 1);
  const missing = N * attrs.chunk - v.shape[1];
  const chunks = reshape(pad(before, 1, 0, missing), [B, N, attrs.chunk, H, K, V]);
  const starts = at(chunks, 0, 2);
  return [ys.o, last, starts, ...(a ? [ys.u] : [])];
}

/** k vᵀ of every head, [B, H, K, V]. */
function outer(k: Tensor, v: Tensor): Tensor {
  return mul(expandDims(k, -1), expandDims(v, -2));
}

/** Gradients of the inputs, those of q and k for every head of v, by differentiating the loop. */
export function scanBackwardReference([dO, dState, ...rest]: readonly Tensor[], attrs: ScanAttrs): Tensor[] {
  const all = listOf(spreadHeads(operandsOf(rest, attrs)));
  const [, grads] = vjp(
    (...inputs: Tensor[]) => {
      const [o, state] = scanReference(inputs, attrs);
      return [o, state];
    },
    all,
    [dO, dState],
  );
  return grads;
}
