import { hostRandom } from '@seq/testing/golden';
import type { HostArray } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';
import { sigmoid } from './arrays.js';

interface Sizes {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
  readonly layers: number;
  readonly both: boolean;
  readonly bias: boolean;
  readonly proj?: number;
}

/** Row o of W [_, n] times v, with a bias. */
function affine(w: HostArray, v: ArrayLike<number>, bias: HostArray | undefined, o: number): number {
  const n = w.shape[1];
  let s = bias ? bias.data[o] : 0;
  for (let i = 0; i < n; i++) s += w.data[o * n + i] * v[i];
  return s;
}

/** One layer in one direction over one row: inputs by time to outputs by time and the final state. */
type Cell = (
  a: Arrays,
  suffix: string,
  inputs: readonly number[][],
  h: number[],
  c: number[],
) => { y: number[][]; h: number[]; c: number[] };

/** torch's RNN with a nonlinearity. */
function rnnCell(f: (v: number) => number): Cell {
  return (a, suffix, inputs, h, c) => {
    const [W, U] = [a[`param.weight_ih_${suffix}`], a[`param.weight_hh_${suffix}`]];
    const [bi, bh] = [a[`param.bias_ih_${suffix}`], a[`param.bias_hh_${suffix}`]];
    const y = inputs.map((x) => {
      const before = h;
      h = before.map((_, j) => f(affine(W, x, bi, j) + affine(U, before, bh, j)));
      return h;
    });
    return { y, h, c };
  };
}

const gruCell: Cell = (a, suffix, inputs, h, c) => {
  const [W, U] = [a[`param.weight_ih_${suffix}`], a[`param.weight_hh_${suffix}`]];
  const [bi, bh] = [a[`param.bias_ih_${suffix}`], a[`param.bias_hh_${suffix}`]];
  const H = U.shape[1];
  const y = inputs.map((x) => {
    const before = h;
    h = before.map((old, j) => {
      const r = sigmoid(affine(W, x, bi, j) + affine(U, before, bh, j));
      const z = sigmoid(affine(W, x, bi, H + j) + affine(U, before, bh, H + j));
      const n = Math.tanh(affine(W, x, bi, 2 * H + j) + r * affine(U, before, bh, 2 * H + j));
      return (1 - z) * n + z * old;
    });
    return h;
  });
  return { y, h, c };
};

const lstmCell: Cell = (a, suffix, inputs, h, c) => {
  const [W, U, R] = [
    a[`param.weight_ih_${suffix}`],
    a[`param.weight_hh_${suffix}`],
    a[`param.weight_hr_${suffix}`],
  ];
  const [bi, bh] = [a[`param.bias_ih_${suffix}`], a[`param.bias_hh_${suffix}`]];
  const H = W.shape[0] / 4;
  const y = inputs.map((x) => {
    const gate = (k: number, j: number): number => affine(W, x, bi, k * H + j) + affine(U, h, bh, k * H + j);
    const cells = c.map((old, j) => sigmoid(gate(1, j)) * old + sigmoid(gate(0, j)) * Math.tanh(gate(2, j)));
    const shown = cells.map((v, j) => sigmoid(gate(3, j)) * Math.tanh(v));
    c = cells;
    h = R ? Array.from({ length: R.shape[0] }, (_, p) => affine(R, shown, undefined, p)) : shown;
    return h;
  });
  return { y, h, c };
};

/** Layers and directions of torch's modules; x [T, B, I], states [layers · directions, B, ·]. */
function stack(a: Arrays, cell: Cell, { T, B, I, H, layers, both, proj = 0 }: Sizes): Arrays {
  const P = proj || H;
  const D = both ? 2 : 1;
  const y = new Float64Array(T * B * D * P);
  const hN = new Float64Array(layers * D * B * P);
  const cN = new Float64Array(layers * D * B * H);
  const part = (s: HostArray | undefined, i: number, n: number): number[] =>
    s ? [...s.data.subarray(i * n, (i + 1) * n)] : new Array<number>(n).fill(0);
  for (let b = 0; b < B; b++) {
    let rows = Array.from({ length: T }, (_, t) => [
      ...a['in.x'].data.subarray((t * B + b) * I, (t * B + b + 1) * I),
    ]);
    for (let l = 0; l < layers; l++) {
      const outputs: number[][][] = [];
      for (let d = 0; d < D; d++) {
        const at = (l * D + d) * B + b;
        const ordered = d === 1 ? rows.toReversed() : rows;
        const run = cell(
          a,
          `l${l}${d === 1 ? '_reverse' : ''}`,
          ordered,
          part(a['in.h0'], at, P),
          part(a['in.c0'], at, H),
        );
        outputs.push(d === 1 ? run.y.toReversed() : run.y);
        hN.set(run.h, at * P);
        cN.set(run.c, at * H);
      }
      rows = rows.map((_, t) => outputs.flatMap((o) => o[t]));
    }
    rows.forEach((row, t) => y.set(row, (t * B + b) * D * P));
  }
  return {
    'out.y': { shape: [T, B, D * P], data: y },
    'out.h_n': { shape: [layers * D, B, P], data: hN },
    ...(cell === lstmCell ? { 'out.c_n': { shape: [layers * D, B, H], data: cN } } : {}),
  };
}

function parameters({ I, H, layers, both, bias, proj = 0 }: Sizes, gates: number): Arrays {
  const random = hostRandom(20);
  const P = proj || H;
  const out: Arrays = {};
  for (let l = 0; l < layers; l++)
    for (const suffix of both ? [`l${l}`, `l${l}_reverse`] : [`l${l}`]) {
      out[`param.weight_ih_${suffix}`] = random.normal([gates * H, l === 0 ? I : P * (both ? 2 : 1)], {
        std: 0.5,
      });
      out[`param.weight_hh_${suffix}`] = random.normal([gates * H, P], { std: 0.5 });
      if (bias) {
        out[`param.bias_ih_${suffix}`] = random.normal([gates * H], { std: 0.5 });
        out[`param.bias_hh_${suffix}`] = random.normal([gates * H], { std: 0.5 });
      }
      if (proj) out[`param.weight_hr_${suffix}`] = random.normal([proj, H], { std: 0.5 });
    }
  return out;
}

function recipe(
  family: 'rnn' | 'gru' | 'lstm',
  name: string,
  s: Sizes,
  initial: boolean,
  extra: Record<string, unknown> = {},
): Recipe {
  const random = hostRandom(21);
  const gates = { rnn: 1, gru: 3, lstm: 4 }[family];
  const cells = {
    rnn: rnnCell(extra['nonlinearity'] === 'relu' ? (v) => Math.max(v, 0) : Math.tanh),
    gru: gruCell,
    lstm: lstmCell,
  };
  const count = s.layers * (s.both ? 2 : 1);
  const inputs: Arrays = { 'in.x': random.normal([s.T, s.B, s.I]), ...parameters(s, gates) };
  if (initial) {
    inputs['in.h0'] = random.normal([count, s.B, s.proj ?? s.H]);
    if (family === 'lstm') inputs['in.c0'] = random.normal([count, s.B, s.H]);
  }
  return {
    family,
    case: name,
    options: {
      input_size: s.I,
      hidden_size: s.H,
      num_layers: s.layers,
      bidirectional: s.both,
      bias: s.bias,
      ...(s.proj ? { proj_size: s.proj } : {}),
      initial_state_given: initial,
      ...extra,
    },
    inputs,
    compute: (a) => stack(a, cells[family], s),
  };
}

const one = { T: 4, B: 2, I: 3, H: 3, layers: 1, both: false, bias: true };

/** The same case without the batch axis, which torch allows. */
function unbatched(r: Recipe): Recipe {
  const squeeze = (a: Arrays, names: readonly string[]): Arrays =>
    Object.fromEntries(
      Object.entries(a).map(([n, v]) => [
        n,
        names.includes(n) ? { ...v, shape: v.shape.filter((_, i) => i !== 1) } : v,
      ]),
    );
  const unsqueeze = (a: Arrays): Arrays =>
    Object.fromEntries(
      Object.entries(a).map(([n, v]) => [
        n,
        n.startsWith('in.') ? { ...v, shape: [v.shape[0], 1, v.shape[1]] } : v,
      ]),
    );
  return {
    ...r,
    case: `${r.case}_unbatched`,
    inputs: squeeze(r.inputs, ['in.x', 'in.h0', 'in.c0']),
    compute: (a) => squeeze(r.compute(unsqueeze(a)), ['out.y', 'out.h_n', 'out.c_n']),
  };
}

export const recurrentCases: readonly Recipe[] = [
  recipe('rnn', 'no_bias', { ...one, bias: false }, true),
  recipe('rnn', 'relu_deep_both_ways', { ...one, layers: 2, both: true }, true, {
    nonlinearity: 'relu',
    dropout: 0,
  }),
  unbatched(recipe('rnn', 'rnn', { ...one, B: 1 }, true, { gate_order: '-' })),
  recipe('gru', 'no_bias', { ...one, bias: false }, true),
  recipe('gru', 'deep_both_ways', { ...one, layers: 2, both: true }, true, { dropout: 0 }),
  unbatched(recipe('gru', 'gru', { ...one, B: 1 }, true)),
  recipe('lstm', 'no_bias', { ...one, bias: false }, false),
  recipe('lstm', 'projected', { ...one, H: 4, proj: 2 }, true),
  recipe(
    'lstm',
    'projected_deep_both_ways',
    { ...one, layers: 2, both: true, H: 3, proj: 2, bias: false },
    true,
  ),
  unbatched(recipe('lstm', 'lstm', { ...one, B: 1, proj: 2 }, true)),
];
