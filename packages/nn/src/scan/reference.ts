import { add, exp, expandDims, mul, repeat, reshape, scan, slice, sum, vjp } from '@seq/tensor';
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
    (S: Tensor, at: typeof now) => {
      const seen = at.a ? sum(mul(expandDims(at.a, -1), S), 2) : undefined; // [B, H, V]
      const decay = at.g && exp(reshape(at.g, [B, H, -1, 1]));
      const written = seen && !at.b ? add(at.v, seen) : at.v;
      let next = add(decay ? mul(decay, S) : S, outer(at.k, written));
      if (at.b) next = add(next, outer(at.b, seen!));
      const o = sum(mul(expandDims(at.q, -1), next), 2);
      return [next, { o, next, u: at.b ? seen! : written }] as const;
    },
    initial,
    now,
    { axis: 1 },
  );
  const inner = slice(ys.next, 1, 0, Math.max(N - 1, 0) * attrs.chunk);
  const starts = slice(
    reshape(inner, [B, Math.max(N - 1, 0), attrs.chunk, H, K, V]),
    2,
    attrs.chunk - 1,
  ).squeeze(2);
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
