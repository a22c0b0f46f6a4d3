import { cpu, grad, key, mul, scan, sum, tensor, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance, hostRandom, toHost, toTensor } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { lstm, lstmCell, lstmFromTorch, lstmSequence, lstmStack, lstmToTorch } from './index.js';
import type { LstmParams, LstmState, LstmWeights } from './index.js';
import { lstmNaive } from './naive.js';

const [I, H, P] = [3, 5, 2];
const f64 = { device: cpu(), dtype: 'f64' } as const;

type Projected = Record<Exclude<keyof LstmWeights, 'norms' | 'peepholes'>, HostArray>;
type Plain = Omit<Projected, 'weightHr'>;

function drawWeights(random = hostRandom(1), inputs = I, spread = 1): Plain {
  const std = 0.5 * spread;
  return {
    weightIh: random.normal([4 * H, inputs], { std }),
    weightHh: random.normal([4 * H, H], { std }),
    biasIh: random.normal([4 * H], { std }),
    biasHh: random.normal([4 * H], { std }),
  };
}

function drawProjected(random = hostRandom(1), inputs = I): Projected {
  const weightHh = random.normal([4 * H, P], { std: 0.5 });
  return { ...drawWeights(random, inputs), weightHh, weightHr: random.normal([P, H], { std: 0.5 }) };
}

function place<N extends string>(
  host: Record<N, HostArray>,
  dtype: 'f32' | 'f64' = 'f64',
): Record<N, Tensor> {
  const entries = Object.entries<HostArray>(host).map(([name, h]) => [
    name,
    toTensor(h, { device: cpu(), dtype }),
  ]);
  return Object.fromEntries(entries) as Record<N, Tensor>;
}

function naive(h: Record<string, HostArray>): { y: Float64Array; h: Float64Array; c: Float64Array } {
  const data = Object.fromEntries(Object.entries(h).map(([n, v]) => [n, v.data])) as Record<
    'x' | keyof Projected,
    Float64Array
  >;
  const [B, T, inputs] = h['x'].shape;
  const [rows, width] = h['weightHh'].shape;
  return lstmNaive({ ...data, B, T, I: inputs, H: rows / 4, P: width });
}

async function close(got: Tensor, want: ArrayLike<number>, digits = 12): Promise<void> {
  const data = await got.data();
  expect(data.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) expect(data[i]).toBeCloseTo(want[i], digits);
}

const op = (t: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
  const [y, { h, c }] = lstmSequence(t['x'], t as unknown as LstmWeights, { h0: t['h0'], c0: t['c0'] });
  return { y, h, c };
};

for (const [name, small] of [
  ['lstm', { dModel: 4 }],
  ['lstm with chrono init', { dModel: 4, chronoRange: 8 }],
] as const) {
  conformance(lstm, {
    name,
    small,
    core: {
      inputs: ({ B, T, random }) => ({
        x: random.normal([B, T, I]),
        ...drawWeights(random),
        h0: random.normal([B, H]),
        c0: random.normal([B, H]),
      }),
      op,
      naive,
    },
  });
}

conformance(lstm, {
  name: 'lstm with projections',
  small: { dModel: 4, hiddenDim: 6, projSize: 3, forgetBias: 1 },
  learn: { dModel: 16, hiddenDim: 24, projSize: 12, forgetBias: 1 },
  core: {
    inputs: ({ B, T, random }) => ({
      x: random.normal([B, T, I]),
      ...drawProjected(random),
      h0: random.normal([B, P]),
      c0: random.normal([B, H]),
    }),
    op,
    naive,
  },
});

/** Norms of the layer-normalised form among flat names. */
function withNorms<V>(
  flat: Readonly<Record<string, V>>,
): Record<'input' | 'recurrent' | 'cell', Record<'weight' | 'bias', V>> {
  const norm = (name: string): Record<'weight' | 'bias', V> => ({
    weight: flat[`norms.${name}.weight`],
    bias: flat[`norms.${name}.bias`],
  });
  return { input: norm('input'), recurrent: norm('recurrent'), cell: norm('cell') };
}

conformance(lstm, {
  name: 'lstm, layer-normalised',
  small: { dModel: 4, layerNorm: true, forgetBias: 1 },
  learn: { dModel: 16, hiddenDim: 24, layerNorm: true, forgetBias: 1 },
  core: {
    inputs({ B, T, random }) {
      const norms = Object.entries({ input: 4 * H, recurrent: 4 * H, cell: H }).flatMap(([name, n]) => [
        [`norms.${name}.weight`, random.normal([n])],
        [`norms.${name}.bias`, random.normal([n], { std: 0.5 })],
      ]);
      return {
        x: random.normal([B, T, I]),
        ...drawWeights(random),
        h0: random.normal([B, H]),
        c0: random.normal([B, H]),
        ...(Object.fromEntries(norms) as Record<string, HostArray>),
      };
    },
    op(t) {
      const weights = { ...t, norms: withNorms(t) } as unknown as LstmWeights;
      const [y, { h, c }] = lstmSequence(t['x'], weights, { h0: t['h0'], c0: t['c0'] });
      return { y, h, c };
    },
    naive(h) {
      const data = Object.fromEntries(Object.entries(h).map(([n, v]) => [n, v.data]));
      const [B, T] = h['x'].shape;
      const sizes = { B, T, I, H, P: H };
      return lstmNaive({
        ...(data as Record<'x' | keyof Projected, Float64Array>),
        norms: withNorms(data),
        ...sizes,
      });
    },
  },
});

conformance(lstm, {
  name: 'lstm with peepholes and projections',
  small: { dModel: 4, hiddenDim: 6, projSize: 3, peepholes: true },
  learn: { dModel: 16, hiddenDim: 24, peepholes: true, forgetBias: 1 },
  core: {
    inputs: ({ B, T, random }) => ({
      x: random.normal([B, T, I]),
      ...drawProjected(random),
      peepholes: random.normal([3 * H]),
      h0: random.normal([B, P]),
      c0: random.normal([B, H]),
    }),
    op,
    naive,
  },
});

test('norms: lengths and reverse pass over padding; norms that do not fit and PyTorch names are refused', async () => {
  const [B, T] = [2, 5];
  const random = hostRandom(12);
  const x = toTensor(random.normal([B, T, I]), f64);
  const norm = (n: number): { weight: Tensor; bias: Tensor } => ({
    weight: toTensor(random.normal([n]), f64),
    bias: toTensor(random.normal([n]), f64),
  });
  const norms = { input: norm(4 * H), recurrent: norm(4 * H), cell: norm(H) };
  const weights = { ...place(drawProjected(random)), norms };
  const lengths = tensor(Int32Array.of(3, 5));
  for (const reverse of [false, true]) {
    const [y, { h, c }] = lstmSequence(x, weights, { lengths, reverse });
    const [alone, last] = lstmSequence(x.slice(0, 0, 1).slice(1, 0, 3), weights, { reverse });
    await close(y.at(0), [...(await alone.data()), ...new Float64Array(2 * P)]);
    await close(h.at(0), await last.h.data());
    await close(c.at(0), await last.c.data());
  }
  expect(() => lstmSequence(x, { ...weights, norms: { ...norms, cell: norms.input } })).toThrow(
    'lstmSequence: norms.cell.weight must be [H] = [5], got [20].',
  );
  expect(() => lstmToTorch([{ forward: weights }])).toThrow(
    'lstmToTorch: layers must be without norms, got some in layer 0.',
  );
  expect(() => lstmToTorch([{ forward: { ...place(drawWeights()), peepholes: zeros([3 * H]) } }])).toThrow(
    'lstmToTorch: layers must be without peepholes, got some in layer 0.',
  );
});

test.each([{ layerNorm: true }, { peepholes: true }])(
  'a fold of steps has the gradient of forward: %j',
  async (form) => {
    const mixer = lstm({ dModel: 4, ...form });
    const params = mixer.init(key(0), f64);
    const x = toTensor(hostRandom(13).normal([2, 5, 4]), f64);
    const folded = (p: LstmParams): Tensor =>
      scan(
        (state: LstmState, now: Tensor): [LstmState, Tensor] => {
          const [y, next] = mixer.step(p, now, state);
          return [next, y];
        },
        mixer.initState(2, f64),
        x,
        { axis: 1 },
      )[1]
        .square()
        .sum();
    const got = grad(folded, params);
    const want = grad((p: LstmParams) => mixer.forward(p, x).square().sum(), params);
    await close(got.weightHh, await want.weightHh.data());
    await close(got.weightIh, await want.weightIh.data());
  },
);

describe('lstmSequence', () => {
  const [B, T] = [3, 6];
  const x = hostRandom(2).normal([B, T, I]);

  test.each([
    ['plain', drawWeights(), H],
    ['projected', drawProjected(), P],
  ])('lengths: what lies behind them is passed over, in both directions (%s)', async (_, host, width) => {
    const input = toTensor(x, f64);
    const weights = place<string>(host) as unknown as LstmWeights;
    const lengths = [4, 0, 6];
    for (const reverse of [false, true]) {
      const [y, state] = lstmSequence(input, weights, { lengths: tensor(Int32Array.from(lengths)), reverse });
      for (const [b, n] of lengths.entries()) {
        const [alone, last] = lstmSequence(input.slice(0, b, b + 1).slice(1, 0, n), weights, { reverse });
        await close(y.at(b).slice(0, 0, n), await alone.data());
        await close(y.at(b).slice(0, n), new Float64Array((T - n) * width));
        await close(state.h.at(b), await last.h.data());
        await close(state.c.at(b), await last.c.data());
      }
    }
  });

  test('resets: output and cell are cleared before the position', async () => {
    const input = toTensor(x, f64);
    const weights = place(drawWeights());
    const flags = new Float64Array(B * T);
    flags[2] = 1; // row 0 at t = 2
    const resets = toTensor({ data: flags, shape: [B, T], dtype: 'bool' }, f64);
    const [y] = lstmSequence(input, weights, { resets });
    const [first] = lstmSequence(input.slice(0, 0, 1).slice(1, 0, 2), weights);
    const [second] = lstmSequence(input.slice(0, 0, 1).slice(1, 2), weights);
    await close(y.at(0), [...(await first.data()), ...(await second.data())]);
    await close(y.at(1), await lstmSequence(input.slice(0, 1, 2), weights)[0].data());
  });

  test('its gradient can be differentiated again', async () => {
    const all = { x, ...drawProjected(), h0: hostRandom(3).normal([B, P]), c0: hostRandom(4).normal([B, H]) };
    const names = Object.keys(all) as (keyof typeof all)[];
    const direction = names.map((n) => hostRandom(5).normal(all[n].shape));
    const loss = ({ x: input, h0, c0, ...weights }: Record<keyof typeof all, Tensor>): Tensor => {
      const [y, { h, c }] = lstmSequence(input, weights, { h0, c0 });
      return sum(mul(y, y))
        .add(sum(mul(h, h)).mul(0.5))
        .add(sum(mul(c, c)));
    };
    const along = (p: Record<keyof typeof all, Tensor>): Tensor => {
      const g = grad(loss, p);
      return names.map((n, i) => sum(mul(g[n], toTensor(direction[i], f64)))).reduce((a, b) => a.add(b));
    };
    const second = grad(along, place(all));
    const step = 1e-5;
    for (const name of names) {
      const at = Math.floor(all[name].data.length / 2);
      const moved = async (d: number): Promise<number> => {
        const data = all[name].data.slice();
        data[at] += d;
        return along(place({ ...all, [name]: { ...all[name], data } })).item();
      };
      const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
      const got = (await second[name].data())[at];
      expect(Math.abs(got - slope) / Math.max(1, Math.abs(slope)), name).toBeLessThan(1e-6);
    }
  });

  test('saturated gates stay finite, forward and backward', async () => {
    const extreme = { x, ...drawWeights(hostRandom(6), I, 100) };
    const { x: input, ...weights } = place(extreme, 'f32');
    const g = grad((p: { x: Tensor; weights: LstmWeights }) => sum(lstmSequence(p.x, p.weights)[0]), {
      x: input,
      weights,
    });
    for (const leaf of [g.x, ...Object.values(g.weights)])
      expect([...(await leaf.data())].every(Number.isFinite)).toBe(true);
    await close(lstmSequence(input, weights)[0], naive(extreme).y, 3);
  });

  test('no positions: no output, the state as it was', async () => {
    const c0 = toTensor(hostRandom(3).normal([B, H]), f64);
    const [y, { c }] = lstmSequence(toTensor(x, f64).slice(1, 0, 0), place(drawWeights()), { c0 });
    expect(y.shape).toEqual([B, 0, H]);
    await close(c, await c0.data());
  });

  test('messages name the argument, the sizes and where they come from', () => {
    const { weightHr, ...weights } = place(drawProjected());
    const input = toTensor(x, f64);
    expect(() => lstmSequence(input, weights)).toThrow(
      'lstmSequence: weightHh must be [4H, H] = [8, 2], got [20, 2]. I = 3 comes from x, H = 2 from the columns of weightHh.',
    );
    expect(() => lstmSequence(input, { ...weights, weightHr: weightHr.transpose() })).toThrow(
      'lstmSequence: weightHr must be [P, H] = [2, 2], got [5, 2].',
    );
    expect(() =>
      lstmSequence(input, { ...weights, weightHr }, { h0: zeros([B, H], { dtype: 'f64' }) }),
    ).toThrow('lstmSequence: h0 must be [B, P] = [3, 2], got [3, 5]. Give one output per row.');
  });
});

describe('lstmCell', () => {
  test('is one position of lstmSequence', async () => {
    const random = hostRandom(7);
    const host = {
      x: random.normal([2, 1, I]),
      ...drawProjected(),
      h0: random.normal([2, P]),
      c0: random.normal([2, H]),
    };
    const { x, h0, c0, ...weights } = place(host);
    const next = lstmCell(x.at(0, 1), { h: h0, c: c0 }, weights);
    await close(next.h, naive(host).h);
    await close(next.c, naive(host).c);
  });
});

describe('lstmStack', () => {
  const [B, T] = [2, 5];
  const random = hostRandom(9);
  const x = random.normal([B, T, I]);
  const layers = [drawProjected(random), drawProjected(random, P)];

  test('two projected layers are the definition of each, in turn', async () => {
    const h0 = random.normal([2, B, P]);
    const c0 = random.normal([2, B, H]);
    let input: HostArray = x;
    const finals: { h: Float64Array; c: Float64Array }[] = [];
    for (const [l, weights] of layers.entries()) {
      const part = ({ data, shape: [, , width] }: HostArray): HostArray => ({
        data: data.slice(l * B * width, (l + 1) * B * width),
        shape: [B, width],
      });
      const run = naive({ x: input, ...weights, h0: part(h0), c0: part(c0) });
      input = { data: run.y, shape: [B, T, P] };
      finals.push(run);
    }
    const placed = layers.map((weights) => ({ forward: place(weights) }));
    const [y, { hN, cN }] = lstmStack(toTensor(x, f64), placed, {
      h0: toTensor(h0, f64),
      c0: toTensor(c0, f64),
    });
    expect([y.shape, hN.shape, cN.shape]).toEqual([
      [B, T, P],
      [2, B, P],
      [2, B, H],
    ]);
    await close(y, input.data);
    await close(
      hN,
      finals.flatMap(({ h }) => [...h]),
    );
    await close(
      cN,
      finals.flatMap(({ c }) => [...c]),
    );
  });

  test('a bidirectional stack with projections and lengths takes each direction by itself', async () => {
    const both = { forward: place(drawProjected(random)), reverse: place(drawProjected(random)) };
    const input = toTensor(x, f64);
    const lengths = tensor(Int32Array.from([3, 5]));
    const [y, { hN }] = lstmStack(input, [both], { lengths });
    const [ahead, end] = lstmSequence(input, both.forward, { lengths });
    const [back, start] = lstmSequence(input, both.reverse, { lengths, reverse: true });
    await close(y.slice(2, 0, P), await ahead.data());
    await close(y.slice(2, P), await back.data());
    await close(hN, [...(await end.h.data()), ...(await start.h.data())]);
  });

  test('weights go to PyTorch names and back, projections included', async () => {
    const placed = layers.map((weights) => ({ forward: place(weights) }));
    const named = lstmToTorch(placed);
    expect(named['weight_hr_l1'].shape).toEqual([P, H]);
    const [y] = lstmStack(toTensor(x, f64), lstmFromTorch(named));
    await close(y, await lstmStack(toTensor(x, f64), placed)[0].data());
    expect(() => lstmFromTorch({ ...named, weight_ho_l0: named['weight_hr_l1'] })).toThrow(
      'got weight_ho_l0',
    );
  });
});

describe('lstm', () => {
  test('init draws from U(±1/√H) and raises the forget gate by forgetBias', async () => {
    const plain = lstm({ dModel: 16 }).init(key(3));
    const raised = lstm({ dModel: 16, forgetBias: 2 }).init(key(3));
    expect((await toHost(plain.weightIh)).data.every((v) => Math.abs(v) <= 0.25)).toBe(true);
    if (!plain.biasIh || !raised.biasIh) throw new Error('biases are missing');
    const difference = await raised.biasIh.sub(plain.biasIh).data();
    difference.forEach((d, i) => expect(d).toBeCloseTo(i >= 16 && i < 32 ? 2 : 0, 5));
  });

  test('chrono init: the forget gate opens for log u, the input gate closes by as much, the rest is drawn', async () => {
    const [width, range] = [512, 50];
    const plain = lstm({ dModel: 4, hiddenDim: width }).init(key(3));
    const chrono = lstm({ dModel: 4, hiddenDim: width, chronoRange: range }).init(key(3));
    if (!plain.biasIh || !plain.biasHh || !chrono.biasIh || !chrono.biasHh)
      throw new Error('biases are missing');
    const sum = await chrono.biasIh.add(chrono.biasHh).data();
    const forget = [...sum].slice(width, 2 * width);
    forget.forEach((f, i) => expect(sum[i]).toBe(-f));
    const u = forget.map(Math.exp);
    expect(Math.min(...u)).toBeGreaterThanOrEqual(1 - 1e-6);
    expect(Math.max(...u)).toBeLessThanOrEqual(range - 1 + 1e-4);
    const mean = u.reduce((a, v) => a + v, 0) / width;
    expect(Math.abs(mean - range / 2)).toBeLessThan((4 * (range - 2)) / Math.sqrt(12 * width)); // four deviations
    const rest = async (b: Tensor): Promise<unknown> =>
      (await b.slice(0, 2 * width, 4 * width).data()).slice();
    expect(await rest(chrono.biasIh)).toEqual(await rest(plain.biasIh));
    expect(await rest(chrono.biasHh)).toEqual(await rest(plain.biasHh));
  });

  test('options are checked', () => {
    for (const chronoRange of [2, NaN, Infinity])
      expect(() => lstm({ dModel: 8, chronoRange })).toThrow(
        `lstm: chronoRange needs bias: true and a number above 2, got ${chronoRange} with bias: true.`,
      );
    expect(() => lstm({ dModel: 8, chronoRange: 9, bias: false })).toThrow('got 9 with bias: false');
    expect(() => lstm({ dModel: 8, chronoRange: 9, forgetBias: 1 })).toThrow(
      "lstm: chronoRange sets the forget gate's bias by itself, got forgetBias 1 too. Give one of them.",
    );
    expect(() => lstm({ dModel: 8, projSize: 8 })).toThrow(
      'lstm: projSize must be a positive integer below hiddenDim = 8, got 8. Leave it out for no projection.',
    );
    expect(() => lstm({ dModel: 8, bias: false, forgetBias: 1 })).toThrow(
      'lstm: forgetBias needs bias: true and a finite number',
    );
  });
});
