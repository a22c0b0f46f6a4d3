import {
  add,
  apply,
  at,
  concat,
  cumsum,
  defineOp,
  exp,
  expandDims,
  linearRecurrence,
  minimum,
  mul,
  neg,
  normal,
  ones,
  pad,
  reshape,
  slice,
  softplus,
  split,
  sub,
  tril,
  zeros,
} from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { defineMixer, linear, linearInit } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';

export interface RecurrenceOptions {
  readonly dModel: number;
  readonly chunkSize?: number;
}

interface Params {
  decay: LinearParams;
  value: LinearParams;
  out: LinearParams;
}

interface State {
  /** [B, C] */
  h: Tensor;
}

/** Bugs of chunked recurrences. */
export type RecurrenceBug =
  | 'the carry is dropped at every chunk border'
  | 'the last, partial chunk does not reach the state'
  | 'the first position of a chunk does not decay the carry'
  | 'inside a chunk one position ahead is seen'
  | 'a positive sum is exponentiated'
  | 'rows are mixed by their mean'
  | 'resets are taken and ignored'
  | 'nothing is remembered'
  | 'the cost forgets the length'
  | 'the reach is declared too short';

/**
 * h_t = exp(g_t) h_{t−1} + v_t with log decays g ≤ 0, in chunks of L.
 *
 *   within a chunk  y_i = Σ_{j ≤ i} exp(b_i − b_j) v_j + exp(b_i) h,   b = cumsum(g)
 *
 * @param g  [B, T, C]
 * @param v  [B, T, C]
 * @param h  [B, C]
 * @returns  y [B, T, C] and the last state [B, C]
 */
export function chunked(g: Tensor, v: Tensor, h: Tensor, L: number, bug?: RecurrenceBug): [Tensor, Tensor] {
  const [B, T, C] = g.shape as [number, number, number];
  if (T === 0) return [v, h];
  const n = Math.ceil(T / L);
  const chunks = (x: Tensor): Tensor => reshape(pad(x, 1, 0, n * L - T), [B, n, L, C]);
  const [gs, vs] = [chunks(g), chunks(v)];
  const b = cumsum(gs, 2); // [B, n, L, C]
  const seen = tril(
    ones([L, L, 1], { device: g.device, dtype: g.dtype }).reshape([L, L]),
    bug === 'inside a chunk one position ahead is seen' ? 1 : 0,
  ).reshape([L, L, 1]);
  let inside: Tensor;
  if (bug === 'a positive sum is exponentiated') {
    inside = mul(exp(b), cumsum(mul(exp(neg(b)), vs), 2));
  } else {
    const apart = minimum(sub(expandDims(b, 3), expandDims(b, 2)), 0); // [B, n, L, L, C]
    inside = mul(mul(exp(apart), seen), expandDims(vs, 2)).sum(3);
  }
  const whole = exp(at(b, L - 1, 2)); // [B, n, C] decay over a chunk
  const added = at(inside, L - 1, 2);
  const ends = linearRecurrence(whole, added, { initial: h, axis: 1 }); // [B, n, C] state after each chunk
  const starts = concat([expandDims(h, 1), slice(ends, 1, 0, n - 1)], 1);
  const carry = bug === 'the carry is dropped at every chunk border' ? starts.mul(0) : starts;
  const late = bug === 'the first position of a chunk does not decay the carry' ? sub(b, gs) : b;
  const y = add(inside, mul(exp(late), expandDims(carry, 2)));
  const flat = slice(reshape(y, [B, n * L, C]), 1, 0, T);
  const kept = bug === 'the last, partial chunk does not reach the state' ? Math.floor(T / L) * L : T;
  return [flat, kept === 0 ? h : at(flat, kept - 1, 1)];
}

/** The recurrence as an op with a kernel, a reference in chunks and no gradient rule of its own. */
export const recurrenceOp: Op<{ L: number }> = defineOp<{ L: number }>({
  name: 'recurrence',
  infer: ([g, , h]) => [
    { shape: g.shape, dtype: g.dtype },
    { shape: h.shape, dtype: h.dtype },
  ],
  reference: ([g, v, h], { L }) => chunked(g, v, h, L),
});

/** A linear recurrence with decays that depend on the input, for testing the tests. */
export function recurrenceMixer(
  { dModel: C, chunkSize: L = 4 }: RecurrenceOptions,
  bug?: RecurrenceBug,
): CausalMixer<Params, State> {
  const gates = (params: Params, x: Tensor): [g: Tensor, v: Tensor] => {
    const g = neg(softplus(linear(x, params.decay)));
    const forgetful = bug === 'nothing is remembered' ? g.sub(200) : g;
    const v = linear(x, params.value);
    return [forgetful, bug === 'rows are mixed by their mean' ? sub(v, v.mean(0, { keepDims: true })) : v];
  };
  return defineMixer<Params, State>({
    spec: { kind: 'test/recurrence', dModel: C, options: { chunkSize: L } },
    ...(bug === 'resets are taken and ignored' ? { honours: ['resets'] as const } : {}),
    ...(bug === 'the reach is declared too short' ? { reach: 2 } : {}),
    init(key, o) {
      const [a, b, c] = split(key, 3) as [Tensor, Tensor, Tensor];
      return {
        decay: { weight: normal(a, [C, C], { std: C ** -0.5, ...o }), bias: zeros([C], o) },
        value: linearInit(b, C, C, o),
        out: linearInit(c, C, C, o),
      };
    },
    initState: (B, o) => ({
      h: zeros([B, C], { dtype: o?.dtype ?? 'f32', ...(o?.device ? { device: o.device } : {}) }),
    }),
    prefill(params, x, { h }) {
      const [g, v] = gates(params, x);
      const [y, last] = bug
        ? chunked(g, v, h, L, bug)
        : (apply(recurrenceOp, [g, v, h], { L }) as [Tensor, Tensor]);
      return [linear(y, params.out), { h: last }];
    },
    step(params, x, { h }) {
      const [g, v] = gates(params, x);
      const next = add(mul(exp(g), h), v);
      return [linear(next, params.out), { h: next }];
    },
    cost({ B, T, form }) {
      const length = bug === 'the cost forgets the length' ? 1 : T;
      const matmulFlops = 6 * B * length * C * C;
      const n = Math.ceil(T / L);
      // Differences, minimum, exp, two products and the sum over j; then cumsum, exp, product and sum; then the borders.
      const inside = B * n * C * (L * (6 * L + 4) + 3);
      const rest = B * T * C * 5 + (form === 'step' ? 3 * B * C : inside);
      return { params: 3 * C * C + 3 * C, matmulFlops, flops: matmulFlops + rest, stateFloats: B * C };
    },
  });
}

/** The definition of the recurrence: g, v [B, T, C] and h [B, C] to y and the last state. */
export function recurrenceNaive(
  g: Float64Array,
  v: Float64Array,
  h0: Float64Array,
  B: number,
  T: number,
  C: number,
): { y: Float64Array; h: Float64Array } {
  const y = new Float64Array(B * T * C);
  const h = Float64Array.from(h0);
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < C; c++) {
        const i = (b * T + t) * C + c;
        h[b * C + c] = Math.exp(g[i]) * h[b * C + c] + v[i];
        y[i] = h[b * C + c]!;
      }
  return { y, h };
}
