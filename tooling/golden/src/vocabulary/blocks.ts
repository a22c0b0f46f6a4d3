import { hostRandom } from '@seq/testing/golden';
import type { HostArray } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';
import { sigmoid } from './arrays.js';

type Rows = number[][];

/** [T, C] of one batch row. */
function rowsOf({ shape, data }: HostArray, b: number): Rows {
  const [, T, C] = shape;
  return Array.from({ length: T }, (_, t) => [...data.subarray((b * T + t) * C, (b * T + t + 1) * C)]);
}

/** W x + b, row by row. */
function affine(x: Rows, { shape: [O, I], data }: HostArray, bias?: HostArray): Rows {
  return x.map((row) =>
    Array.from({ length: O }, (_, o) =>
      row.reduce((s, v, i) => s + v * data[o * I + i], bias ? bias.data[o] : 0),
    ),
  );
}

function plus(a: Rows, b: Rows): Rows {
  return a.map((row, t) => row.map((v, c) => v + b[t][c]));
}

/** (x − mean) / √(mean square + eps), with or without the mean. */
function normal(x: Rows, centred: boolean, eps: number, weight: HostArray, bias?: HostArray): Rows {
  return x.map((row) => {
    const mean = centred ? row.reduce((s, v) => s + v, 0) / row.length : 0;
    const power = row.reduce((s, v) => s + (v - mean) ** 2, 0) / row.length;
    return row.map((v, c) => ((v - mean) / Math.sqrt(power + eps)) * weight.data[c] + (bias?.data[c] ?? 0));
  });
}

/** Causal softmax attention of H query heads over G key-value heads of D channels. */
function attend(q: Rows, k: Rows, v: Rows, H: number, G: number): Rows {
  const D = q[0].length / H;
  return q.map((query, t) => {
    const out: number[] = [];
    for (let h = 0; h < H; h++) {
      const g = Math.floor((h * G) / H);
      const weights = Array.from({ length: t + 1 }, (_, s) => {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += query[h * D + d] * k[s][g * D + d];
        return Math.exp(dot / Math.sqrt(D));
      });
      const total = weights.reduce((a, b) => a + b);
      for (let d = 0; d < D; d++) out.push(weights.reduce((a, w, s) => a + (w / total) * v[s][g * D + d], 0));
    }
    return out;
  });
}

/** erf by its power series; arguments of the cases are small. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const gelus = {
  exact: (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  tanh: (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

interface Gpt {
  readonly heads: number;
  readonly eps: number;
  readonly gelu: keyof typeof gelus;
  readonly post: boolean;
}

function gpt(a: Arrays, { heads, eps, gelu, post }: Gpt): Arrays {
  const p = (name: string): HostArray => a[`param.${name}`];
  const layer = (x: Rows, name: string): Rows => affine(x, p(`${name}.weight`), p(`${name}.bias`));
  const norm = (x: Rows, name: string): Rows => normal(x, true, eps, p(`${name}.weight`), p(`${name}.bias`));
  const x = a['in.x'];
  const C = x.shape[2];
  const mix = (h: Rows): Rows => {
    const all = layer(h, 'attn.c_attn');
    const [q, k, v] = [0, 1, 2].map((i) => all.map((row) => row.slice(i * C, (i + 1) * C)));
    return layer(attend(q, k, v, heads, heads), 'attn.c_proj');
  };
  const think = (h: Rows): Rows =>
    layer(
      layer(h, 'mlp.c_fc').map((row) => row.map(gelus[gelu])),
      'mlp.c_proj',
    );
  const y = Array.from({ length: x.shape[0] }, (_, b) => {
    const row = rowsOf(x, b);
    if (post) {
      const h = norm(plus(row, mix(row)), 'ln_1');
      return norm(plus(h, think(h)), 'ln_2');
    }
    const h = plus(row, mix(norm(row, 'ln_1')));
    return plus(h, think(norm(h, 'ln_2')));
  });
  return { 'out.y': { shape: x.shape, data: Float64Array.from(y.flat(2)) } };
}

interface Llama {
  readonly heads: number;
  readonly groups: number;
  readonly eps: number;
  readonly theta: number;
  readonly interleaved: boolean;
}

/** Turns pairs of channels of each head by t / theta^(2i/D). */
function turn(x: Rows, n: number, { theta, interleaved }: Llama): Rows {
  const D = x[0].length / n;
  return x.map((row, t) => {
    const out = [...row];
    for (let h = 0; h < n; h++) {
      for (let i = 0; i < D / 2; i++) {
        const one = h * D + (interleaved ? 2 * i : i);
        const two = h * D + (interleaved ? 2 * i + 1 : i + D / 2);
        const angle = t / theta ** ((2 * i) / D);
        out[one] = row[one] * Math.cos(angle) - row[two] * Math.sin(angle);
        out[two] = row[one] * Math.sin(angle) + row[two] * Math.cos(angle);
      }
    }
    return out;
  });
}

function llama(a: Arrays, o: Llama): Arrays {
  const p = (name: string): HostArray => a[`param.${name}.weight`];
  const x = a['in.x'];
  const [B, T] = x.shape;
  const results = Array.from({ length: B }, (_, b) => {
    const row = rowsOf(x, b);
    const normed = normal(row, false, o.eps, p('attention_norm'));
    const [q, k, v] = ['q', 'k', 'v'].map((n) => affine(normed, p(`attention.w${n}`)));
    const keys = turn(k, o.groups, o);
    const mixed = attend(turn(q, o.heads, o), keys, v, o.heads, o.groups);
    const h = plus(row, affine(mixed, p('attention.wo')));
    const inner = normal(h, false, o.eps, p('ffn_norm'));
    const up = affine(inner, p('feed_forward.w3'));
    const gated = affine(inner, p('feed_forward.w1')).map((r, t) =>
      r.map((g, c) => g * sigmoid(g) * up[t][c]),
    );
    return { y: plus(h, affine(gated, p('feed_forward.w2'))), keys, v };
  });
  const flat = (pick: 'y' | 'keys' | 'v'): Float64Array =>
    Float64Array.from(results.map((r) => r[pick]).flat(2));
  const cache = [B, T, o.groups, results[0].v[0].length / o.groups];
  return {
    'out.y': { shape: x.shape, data: flat('y') },
    'state.y_step': { shape: x.shape, data: flat('y') },
    'state.cache_k': { shape: cache, data: flat('keys') },
    'state.cache_v': { shape: cache, data: flat('v') },
  };
}

const random = hostRandom(31);
const matrix = (O: number, I: number): HostArray => random.normal([O, I], { std: 0.5 });
const scale = (n: number): HostArray => random.normal([n], { mean: 1, std: 0.2 });

/** Inputs of a gpt_block of width 4 and inner width 6. */
function gptInputs(biased: boolean): Arrays {
  const C = 4;
  const layers: [string, HostArray][] = [
    ['ln_1', scale(C)],
    ['attn.c_attn', matrix(3 * C, C)],
    ['attn.c_proj', matrix(C, C)],
    ['ln_2', scale(C)],
    ['mlp.c_fc', matrix(6, C)],
    ['mlp.c_proj', matrix(C, 6)],
  ];
  const inputs: Arrays = { 'in.x': random.normal([2, 3, C]) };
  for (const [name, weight] of layers) {
    inputs[`param.${name}.weight`] = weight;
    if (biased) inputs[`param.${name}.bias`] = random.normal([weight.shape[0]], { std: 0.3 });
  }
  return inputs;
}

/** Inputs of a llama_block of width 8 with H query heads, G key-value heads and inner width F. */
function llamaInputs(H: number, G: number, F: number): Arrays {
  const C = 8;
  const D = C / H;
  return {
    'in.x': random.normal([2, 4, C]),
    'param.attention_norm.weight': scale(C),
    'param.attention.wq.weight': matrix(C, C),
    'param.attention.wk.weight': matrix(G * D, C),
    'param.attention.wv.weight': matrix(G * D, C),
    'param.attention.wo.weight': matrix(C, C),
    'param.ffn_norm.weight': scale(C),
    'param.feed_forward.w1.weight': matrix(F, C),
    'param.feed_forward.w2.weight': matrix(C, F),
    'param.feed_forward.w3.weight': matrix(F, C),
  };
}

export const blockCases: readonly Recipe[] = [
  {
    family: 'gpt_block',
    case: 'exact_gelu_without_biases',
    options: { n_embd: 4, n_head: 1, gelu: 'exact', layer_norm_eps: 1e-3 },
    inputs: gptInputs(false),
    compute: (a) => gpt(a, { heads: 1, eps: 1e-3, gelu: 'exact', post: false }),
  },
  {
    family: 'gpt_block',
    case: 'post_norm',
    options: { n_embd: 4, n_head: 2, order: 'post-norm' },
    inputs: gptInputs(true),
    compute: (a) => gpt(a, { heads: 2, eps: 1e-5, gelu: 'tanh', post: true }),
  },
  {
    family: 'llama_block',
    case: 'one_key_head',
    // 2/3 of 32 is 21, times 0.5 is 10, rounded up to 12.
    options: {
      dim: 8,
      n_heads: 4,
      n_kv_heads: 1,
      multiple_of: 4,
      ffn_dim_multiplier: 0.5,
      norm_eps: 1e-2,
      rope: 'interleaved, theta 500000',
    },
    inputs: llamaInputs(4, 1, 12),
    compute: (a) => llama(a, { heads: 4, groups: 1, eps: 1e-2, theta: 5e5, interleaved: true }),
  },
  {
    family: 'llama_block',
    case: 'half_split',
    options: { dim: 8, n_heads: 2, n_kv_heads: null, multiple_of: 1, rope: 'half-split, theta 100' },
    inputs: llamaInputs(2, 2, 21),
    compute: (a) => llama(a, { heads: 2, groups: 2, eps: 1e-5, theta: 100, interleaved: false }),
  },
];
