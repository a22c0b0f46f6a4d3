// Flash attention as a composite of operations: the oracle of its kernels, and what a second differentiation goes
// through. It holds all scores, T · S of them per head.
import {
  abs,
  add,
  and,
  arange,
  at,
  bernoulli,
  cast,
  expandDims,
  ge,
  gt,
  le,
  logSumExp,
  lt,
  matmul,
  mod,
  mul,
  reshape,
  softmax,
  sub,
  tanh,
  transpose,
  where,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { HIDDEN, named, sizesOf } from './call.js';
import type { FlashAttrs, FlashInputs } from './call.js';

/** o [B, T, H, V] and lse [B, H, T]. */
export function flashReference(stored: readonly Tensor[], attrs: FlashAttrs): [o: Tensor, lse: Tensor] {
  const inputs = stored.map((x) => (x.dtype === 'f16' ? cast(x, 'f32') : x));
  const all = named(inputs, attrs);
  const { q, k, v, bias, slopes, key } = all;
  const { B, T, S, H, G, D, V } = sizesOf(all);
  const { scale, softcap, dropout } = attrs;
  const R = H / G;
  // Heads of a group are rows of one product with the keys they share.
  const rows = reshape(transpose(reshape(mul(q, scale), [B, T, G, R, D]), [0, 2, 3, 1, 4]), [B, G, R * T, D]);
  let s = reshape(matmul(rows, transpose(k, [0, 2, 3, 1])), [B, H, T, S]);
  if (softcap > 0) s = mul(tanh(mul(s, 1 / softcap)), softcap);
  if (bias) s = add(s, bias);
  const { position, keys, seen } = placesOf(all, attrs);
  if (slopes) s = sub(s, mul(reshape(slopes, [-1, H, 1, 1]), cast(abs(sub(position, keys)), s.dtype)));
  let visible = seen;
  if (bias) visible = visible ? and(visible, gt(bias, HIDDEN)) : gt(bias, HIDDEN);
  if (visible) s = where(visible, s, -Infinity);
  let p = softmax(s, -1);
  if (key) p = where(bernoulli(key, 1 - dropout, [B, H, T, S]), mul(p, 1 / (1 - dropout)), 0);
  const o = matmul(reshape(p, [B, G, R * T, S]), transpose(v, [0, 2, 1, 3])); // [B, G, R T, V]
  return [reshape(transpose(reshape(o, [B, G, R, T, V]), [0, 3, 1, 2, 4]), [B, T, H, V]), logSumExp(s, -1)];
}

/** Positions of queries [B or 1, 1, T, 1] and keys [B or 1, 1, 1, S], and who sees whom; undefined: all see all. */
function placesOf(
  inputs: FlashInputs<Tensor>,
  { left, right, ring }: FlashAttrs,
): { position: Tensor; keys: Tensor; seen: Tensor | undefined } {
  const { q, position: start, first, places } = inputs;
  const { T, S } = sizesOf(inputs);
  const o = { dtype: 'i32', device: q.device } as const;
  const slots = reshape(arange(0, S, 1, o), [1, 1, 1, S]);
  const rules: Tensor[] = [];
  let [position, keys] = [reshape(arange(S - T, S, 1, o), [1, 1, T, 1]), slots];
  if (start) {
    const from = reshape(start, [-1, 1, 1, 1]);
    position = add(from, reshape(arange(0, T, 1, o), [1, 1, T, 1]));
    if (ring > 0) {
      const last = S === ring ? from : sub(from, 1);
      const inRing = sub(last, mod(sub(last, slots), ring));
      keys = where(lt(slots, ring), inRing, add(from, sub(slots, ring)));
      rules.push(ge(keys, 0));
    }
    rules.push(ge(keys, reshape(first!, [-1, 1, 1, 1])));
  } else if (places) {
    const column = (c: number): Tensor => expandDims(expandDims(at(places, c, 2), 1), 3);
    position = column(0);
    rules.push(ge(keys, column(1)), lt(keys, column(2)));
  }
  if (left !== Infinity) rules.push(ge(keys, sub(position, left)));
  if (right !== Infinity) rules.push(le(keys, add(position, right)));
  return { position, keys, seen: rules.length === 0 ? undefined : rules.reduce((a, b) => and(a, b)) };
}
