import { treeEntries } from '@seq/tensor';
import type { Trajectory } from './jacobian.js';
import { spectralRadius } from './linear-algebra.js';

/** Parameters by name, on the host. */
export type Weights = ReadonlyMap<string, Float64Array>;

/** Copies the parameters of a mixer to the host. */
export async function weightsOf(params: unknown): Promise<Weights> {
  const entries = treeEntries(params).map(
    async ([name, t]) => [name, Float64Array.from(await t.data())] as const,
  );
  return new Map(await Promise.all(entries));
}

/** Predicts nats per step from the weights and what the gates did; never looks at a Jacobian. */
export type Theory = (weights: Weights, run: Trajectory) => number;

/**
 * Elman: the spectral radius of W_hh times the root mean square slope of f.
 *
 *   log ρ(W_hh) + ½ log mean f′²
 */
export function elmanTheory(slope: (h: number) => number): Theory {
  return (weights, { h }) => {
    const w = weights.get('weightHh')!;
    const squares = h.slice(1).map((row) => mean(row.map((y) => slope(y) ** 2)));
    return Math.log(spectralRadius({ data: w, size: h[0].length })) + Math.log(mean(squares)) / 2;
  };
}

/** IRNN: W_hh = I, so a unit that is active all along hands its gradient on unchanged. max_i mean_t log f′ */
export const irnnTheory: Theory = (_, { h }) =>
  Math.max(...Array.from(h[0], (__, i) => mean(h.slice(1).map((row) => (row[i] > 0 ? 0 : -Infinity)))));

/** What one unit does on average: the gate through which it keeps its own value, and the ways through W_hh. */
interface Unit {
  /** Mean log of the gate that keeps the value. */
  readonly logKeep: number;
  /** Mean square gain of the way value → h → gates → value, where h is made of the value. */
  readonly through: number;
  /** Mean square gain of the way h → gate of the output → h. */
  readonly around: number;
}

/**
 * Growth per step of a state of which every unit keeps a part of itself and gets the rest through random weights.
 *
 *   ∂c_t/∂c_{t−1} = diag(a) + diag(l) W diag(r),  entries of W independent, of mean square v/H
 *
 * has its outermost eigenvalue λ where (1/H) Σ_i v l_i² r_i² / (λ − a_i)² = 1, λ > max a. A way that runs through h
 * alone adds its mean square gain over λ². Without random weights λ = max a; without gates λ = √(v · mean l² r²).
 */
export function outermost(units: readonly Unit[]): number {
  const excess = (lambda: number): number =>
    mean(
      units.map(
        ({ logKeep, through, around }) =>
          through / (lambda - Math.exp(logKeep)) ** 2 + around / (lambda * lambda),
      ),
    ) - 1;
  let low = Math.max(...units.map(({ logKeep }) => Math.exp(logKeep)));
  let high = low + 1;
  while (excess(high) > 0) high = low + 2 * (high - low);
  for (let k = 0; k < 60; k++) {
    const middle = (low + high) / 2;
    if (excess(middle) > 0) low = middle;
    else high = middle;
  }
  return high;
}

/** GRU: what z keeps, and what comes through the gates r, z and the candidate n. */
export const gruTheory: Theory = (weights, { x, h }) => {
  const H = h[0].length;
  const gains = gateGains(weights, H, 3);
  const sums = h[0].map(() => 0);
  const [logs, through] = [sums.slice(), sums.slice()];
  for (const [t, now] of x.entries()) {
    const before = h[t];
    const ih = affine(weights, 'Ih', now);
    const hh = affine(weights, 'Hh', before);
    for (let i = 0; i < H; i++) {
      const r = sigmoid(ih[i] + hh[i]);
      const z = sigmoid(ih[H + i] + hh[H + i]);
      const candidate = hh[2 * H + i];
      const n = Math.tanh(ih[2 * H + i] + r * candidate);
      const dn = (1 - z) * (1 - n * n);
      logs[i] += Math.log(z);
      through[i] +=
        (dn * candidate * r * (1 - r)) ** 2 * gains[0] +
        ((before[i] - n) * z * (1 - z)) ** 2 * gains[1] +
        (dn * r) ** 2 * gains[2];
    }
  }
  const T = x.length;
  return Math.log(
    outermost(Array.from(logs, (l, i) => ({ logKeep: l / T, through: through[i] / T, around: 0 }))),
  );
};

/** LSTM, plain or layer-normalised: what the forget gate keeps, and what comes back through h and the gates. */
export const lstmTheory: Theory = (weights, { x, h, c }) => {
  const H = h[0].length;
  const gains = gateGains(weights, H, 4);
  const normed = weights.has('norms.recurrent.weight');
  const [logs, through, around] = [0, 1, 2].map(() => new Float64Array(H));
  for (const [t, now] of x.entries()) {
    const [ih, hh] = normed ? normedProducts(weights, now, h[t]) : plainProducts(weights, now, h[t]);
    const shown = normed ? normalised(c![t + 1]) : { values: c![t + 1], gain: 1 };
    const back = normed ? normalised(c![t]) : { values: c![t], gain: 1 };
    for (let j = 0; j < H; j++) {
      const [i, f, g, o] = [0, 1, 2, 3].map((k) => ih[k * H + j] + hh.values[k * H + j]);
      const [si, sf, so, tg] = [sigmoid(i), sigmoid(f), sigmoid(o), Math.tanh(g)];
      const gates =
        (tg * si * (1 - si)) ** 2 * gains[0] +
        (c![t][j] * sf * (1 - sf)) ** 2 * gains[1] +
        (si * (1 - tg * tg)) ** 2 * gains[2];
      const tanh = Math.tanh(shown.values[j]);
      logs[j] += Math.log(sf);
      through[j] += gates * hh.gain ** 2 * (so * (1 - Math.tanh(back.values[j]) ** 2) * back.gain) ** 2;
      around[j] += (tanh * so * (1 - so)) ** 2 * gains[3] * hh.gain ** 2;
    }
  }
  const T = x.length;
  return Math.log(
    outermost(
      Array.from(logs, (l, j) => ({ logKeep: l / T, through: through[j] / T, around: around[j] / T })),
    ),
  );
};

/** Mean log of the gate that keeps the state, z of a GRU or f of an LSTM: the second block of rows in both. */
export const logKept: Theory = (weights, { x, h }) => {
  const H = h[0].length;
  const products = weights.has('norms.recurrent.weight') ? normedProducts : plainProducts;
  const logs = x.map((now, t) => {
    const [ih, hh] = products(weights, now, h[t]);
    return mean(Array.from({ length: H }, (_, j) => Math.log(sigmoid(ih[H + j] + hh.values[H + j]))));
  });
  return mean(logs);
};

/** A vector, and by what root mean square factor small changes pass into it. */
interface Passed {
  readonly values: Float64Array;
  readonly gain: number;
}

/** W_ih x + b_ih and W_hh h + b_hh. */
function plainProducts(weights: Weights, x: Float64Array, h: Float64Array): [Float64Array, Passed] {
  return [affine(weights, 'Ih', x), { values: affine(weights, 'Hh', h), gain: 1 }];
}

/** LN(W_ih x) + b_ih and LN(W_hh h) + b_hh, and by what the second was multiplied. */
function normedProducts(weights: Weights, x: Float64Array, h: Float64Array): [Float64Array, Passed] {
  const plus = (v: Float64Array, bias: Float64Array | undefined): Float64Array =>
    v.map((y, i) => y + (bias ? bias[i] : 0));
  const input = normalised(product(weights.get('weightIh')!, x));
  const recurrent = normalised(product(weights.get('weightHh')!, h));
  return [
    plus(input.values, weights.get('biasIh')),
    { values: plus(recurrent.values, weights.get('biasHh')), gain: recurrent.gain },
  ];
}

/** LN(v) = (v − mean) / √(variance + 1e-5). Of n directions two are lost to changes: that of v and that of the mean. */
function normalised(v: Float64Array): Passed {
  const m = mean(v);
  const scale = 1 / Math.sqrt(mean(v.map((y) => (y - m) ** 2)) + 1e-5);
  return { values: v.map((y) => (y - m) * scale), gain: scale * Math.sqrt(1 - 2 / v.length) };
}

/** H times the mean square of the recurrent weights of each gate: the mean square gain of its rows. */
function gateGains(weights: Weights, H: number, gates: number): number[] {
  const w = weights.get('weightHh')!;
  return Array.from({ length: gates }, (_, k) => {
    const block = w.subarray(k * H * H, (k + 1) * H * H);
    return H * mean(block.map((y) => y * y));
  });
}

function affine(weights: Weights, way: 'Ih' | 'Hh', v: Float64Array): Float64Array {
  const y = product(weights.get(`weight${way}`)!, v);
  const bias = weights.get(`bias${way}`);
  return bias ? y.map((a, i) => a + bias[i]) : y;
}

/** W v, W [rows, columns] row-major. */
function product(w: Float64Array, v: Float64Array): Float64Array {
  const n = v.length;
  const y = new Float64Array(w.length / n);
  for (let i = 0; i < y.length; i++) for (let j = 0; j < n; j++) y[i] += w[i * n + j] * v[j];
  return y;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}
