import {
  add,
  apply,
  arange,
  concat,
  defineOp,
  expandDims,
  le,
  matmul,
  mul,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  tril,
  ones,
  pad,
  updateAt,
  where,
  zeros,
} from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { defineMixer, linear, linearInit, rope } from '@seq/nn';
import type { CausalMixer, LinearParams } from '@seq/nn';
import { sizeOf } from '../host.js';

export interface CacheOptions {
  readonly dModel: number;
  readonly numHeads?: number;
}

interface Params {
  qkv: LinearParams;
  out: LinearParams;
}

interface State {
  /** [B, M, H, D] */
  k: Tensor;
  v: Tensor;
  /** [B] i32 */
  position: Tensor;
}

/** Bugs of caches. */
export type CacheBug =
  | 'the mask shows one key ahead'
  | 'the mask is aligned top-left although there is a past'
  | 'prefill leaves the position behind'
  | 'step forgets the scale'
  | 'all rows read the cache of row 0'
  | 'the softmax gradient lacks its sum'
  | 'masked scores are not written'
  | 'heads are not in the spec'
  | 'the cost forgets the output projection'
  | 'step turns keys by the wrong position'
  | 'the cache grows with every step';

interface Attrs {
  /** Row i sees keys j ≤ i + past[b]; past is the last input. */
  readonly unwritten: boolean;
  readonly noSum: boolean;
}

/** Softmax over the keys that `mask` [B or 1, 1, T, M] shows; the others get 0. */
const maskedSoftmax: Op<Attrs> = defineOp<Attrs>({
  name: 'maskedSoftmax',
  infer: ([scores]) => ({ shape: scores.shape, dtype: scores.dtype }),
  cpu({ inputs: [scores, mask], outputs: [p], attrs }) {
    const M = scores.shape.at(-1)!;
    const rows = sizeOf(scores.shape) / M;
    for (let r = 0; r < rows; r++) {
      const [from, seen, to] = [scores.offset + r * M, mask.offset + r * M, p.offset + r * M];
      let top = -Infinity;
      for (let j = 0; j < M; j++) if (mask.data[seen + j]) top = Math.max(top, scores.data[from + j]);
      let total = 0;
      for (let j = 0; j < M; j++) if (mask.data[seen + j]) total += Math.exp(scores.data[from + j] - top);
      for (let j = 0; j < M; j++) {
        if (mask.data[seen + j]) p.data[to + j] = Math.exp(scores.data[from + j] - top) / total;
        else if (!attrs.unwritten) p.data[to + j] = 0;
      }
    }
  },
  reference: ([scores, mask]) => softmax(where(mask, scores, -Infinity), -1),
  vjp({ outputs: [p], cotangents: [dp], attrs }) {
    const weighted = mul(p, dp!);
    const pull = attrs.noSum ? weighted : sub(weighted, mul(p, sum(weighted, -1, { keepDims: true })));
    return [pull, null];
  },
  cost: ([scores]) => ({ flops: 4 * sizeOf(scores.shape) }),
});

/**
 * A small attention with rotary positions and a preallocated cache, for testing the tests: forward, prefill and
 * step are three pieces of code.
 */
export function cacheMixer(
  { dModel: C, numHeads: H = 2 }: CacheOptions,
  bug?: CacheBug,
): CausalMixer<Params, State> {
  const D = C / H;
  const scale = D ** -0.5;
  const attrs: Attrs = {
    unwritten: bug === 'masked scores are not written',
    noSum: bug === 'the softmax gradient lacks its sum',
  };

  const grown = (cache: Tensor): Tensor =>
    bug === 'the cache grows with every step' ? pad(cache, 1, 0, 1) : cache;

  const project = (params: Params, x: Tensor): [q: Tensor, k: Tensor, v: Tensor] => {
    const [B, T] = x.shape as [number, number];
    const all = reshape(linear(x, params.qkv), [B, T, 3, H, D]);
    const part = (i: number): Tensor => reshape(slice(all, 2, i, i + 1), [B, T, H, D]);
    return [part(0), part(1), part(2)];
  };
  const heads = (x: Tensor): Tensor => x.transpose([0, 2, 1, 3]); // [B, H, T, D]
  /** q [B, T, H, D], k and v [B, M, H, D], mask [B or 1, T, M] → [B, T, C] */
  const attend = (params: Params, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, s: number): Tensor => {
    const [B, T] = q.shape as [number, number];
    const M = k.shape[1];
    const scores = matmul(heads(q), heads(k).transpose()).mul(s);
    const full = expandDims(mask, 1).broadcastTo([B, H, T, M]);
    const p = apply(maskedSoftmax, [scores, full], attrs) as Tensor;
    return linear(reshape(matmul(p, heads(v)).transpose([0, 2, 1, 3]), [B, T, C]), params.out);
  };

  return defineMixer<Params, State>({
    spec: {
      kind: 'test/cache',
      dModel: C,
      options: bug === 'heads are not in the spec' ? {} : { numHeads: H },
    },
    init: (key, o) => ({
      qkv: linearInit(key, C, 3 * C, { bias: false, ...o }),
      out: linearInit(key, C, C, o),
    }),
    initState(B, { maxLength = 64, dtype = 'f32', device } = {}) {
      const o = { dtype, ...(device ? { device } : {}) };
      return {
        k: zeros([B, maxLength, H, D], o),
        v: zeros([B, maxLength, H, D], o),
        position: zeros([B], { ...o, dtype: 'i32' }),
      };
    },
    forward(params, x) {
      const T = x.shape[1];
      const [q, k, v] = project(params, x);
      const ahead = bug === 'the mask shows one key ahead' ? 1 : 0;
      const mask = tril(ones([1, T, T], { device: x.device, dtype: 'i32' }), ahead).cast('bool');
      return attend(params, rope(q), rope(k), v, mask, scale);
    },
    prefill(params, x, { k: keys, v: values, position }) {
      const T = x.shape[1];
      const M = keys.shape[1];
      const [q, k, v] = project(params, x);
      const allK = updateAt(keys, rope(k, { offset: position }), position, 1);
      const allV = updateAt(values, v, position, 1);
      const index = (n: number): Tensor => arange(0, n, 1, { dtype: 'i32', device: x.device });
      const past =
        bug === 'the mask is aligned top-left although there is a past' ? position.mul(0) : position;
      const last = add(reshape(past, [-1, 1, 1]), reshape(index(T), [1, T, 1]));
      const mask = le(reshape(index(M), [1, 1, M]), last);
      const y = attend(params, rope(q, { offset: position }), allK, allV, mask, scale);
      const moved = bug === 'prefill leaves the position behind' ? 0 : T;
      return [y, { k: allK, v: allV, position: position.add(moved) }];
    },
    step(params, x, { k: keys, v: values, position }) {
      const M = keys.shape[1];
      const [q, k, v] = project(params, expandDims(x, 1));
      const turn = bug === 'step turns keys by the wrong position' ? position.add(1) : position;
      let allK = updateAt(keys, rope(k, { offset: turn }), position, 1);
      const allV = updateAt(values, v, position, 1);
      if (bug === 'all rows read the cache of row 0') {
        const B = x.shape[0];
        allK = concat(
          Array.from({ length: B }, () => slice(allK, 0, 0, 1)),
          0,
        );
      }
      const index = arange(0, M, 1, { dtype: 'i32', device: x.device });
      const mask = expandDims(le(reshape(index, [1, M]), reshape(position, [-1, 1])), 1);
      const y = attend(
        params,
        rope(q, { offset: position }),
        allK,
        allV,
        mask,
        bug === 'step forgets the scale' ? 1 : scale,
      );
      return [reshape(y, x.shape), { k: grown(allK), v: grown(allV), position: position.add(1) }];
    },
    cost({ B, T, form, past = 0 }) {
      const keys = form === 'forward' ? T : past + T;
      const outputs = bug === 'the cost forgets the output projection' ? 0 : 2 * B * T * C * C;
      const matmulFlops = 2 * B * T * C * 3 * C + 4 * B * T * keys * C + outputs;
      const tables = (form === 'forward' ? 1 : B) * 2 * 3 * T * (D / 2);
      const masks = form === 'forward' ? T * T : B * T * keys + B * T;
      const positions = form === 'forward' ? 0 : 2 * B * T;
      const rest = 5 * B * H * T * keys + B * T * C + 2 * 3 * B * T * C + tables + masks + positions;
      return {
        params: 4 * C * C + C,
        matmulFlops,
        flops: matmulFlops + rest,
        stateFloats: 2 * B * (past + T) * C,
      };
    },
  });
}

/** The definition of the cache mixer. */
export function cacheNaive(
  params: Readonly<Record<string, { readonly data: Float64Array }>>,
  { data: x, shape }: { readonly data: Float64Array; readonly shape: readonly number[] },
  H = 2,
): Float64Array {
  const [B, T, C] = shape as [number, number, number];
  const D = C / H;
  const y = new Float64Array(B * T * C);
  const w = params['qkv.weight'].data;
  const turned = (u: number[], h: number, t: number): number[] =>
    Array.from({ length: D }, (_, i) => {
      const half = D / 2;
      const j = i % half;
      const angle = t * 10000 ** ((-2 * j) / D);
      const [a, b] = [u[h * D + j], u[h * D + j + half]];
      return i < half ? a * Math.cos(angle) - b * Math.sin(angle) : b * Math.cos(angle) + a * Math.sin(angle);
    });
  for (let b = 0; b < B; b++) {
    const rows = Array.from({ length: T }, (_, t) =>
      Array.from({ length: 3 * C }, (_, o) => {
        let s = 0;
        for (let i = 0; i < C; i++) s += w[o * C + i] * x[(b * T + t) * C + i];
        return s;
      }),
    );
    for (let t = 0; t < T; t++) {
      const mixed = new Float64Array(C);
      for (let h = 0; h < H; h++) {
        const q = turned(rows[t].slice(0, C), h, t);
        const scores = Array.from({ length: t + 1 }, (_, s) => {
          const k = turned(rows[s].slice(C, 2 * C), h, s);
          return q.reduce((sum, v, i) => sum + v * k[i], 0) / Math.sqrt(D);
        });
        const top = Math.max(...scores);
        const weights = scores.map((v) => Math.exp(v - top));
        const total = weights.reduce((a, v) => a + v, 0);
        weights.forEach((v, s) => {
          for (let i = 0; i < D; i++) mixed[h * D + i] += (v / total) * rows[s][2 * C + h * D + i];
        });
      }
      for (let o = 0; o < C; o++) {
        let s = params['out.bias'].data[o];
        for (let i = 0; i < C; i++) s += params['out.weight'].data[o * C + i] * mixed[i];
        y[(b * T + t) * C + o] = s;
      }
    }
  }
  return y;
}
