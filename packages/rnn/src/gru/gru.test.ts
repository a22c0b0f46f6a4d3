import { cpu, grad, key, mul, SeqError, sum, tensor, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance, hostRandom, toHost, toTensor } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { gru, gruCell, gruFromTorch, gruSequence, gruStack, gruToTorch } from './index.js';
import type { GruWeights } from './index.js';
import { gruNaive } from './naive.js';

const [I, H] = [3, 5];

/** Weights as host arrays; `spread` scales them, so that gates can be driven into saturation. */
function drawWeights(random = hostRandom(1), inputs = I, spread = 1): Record<keyof GruWeights, HostArray> {
  const std = 0.5 * spread;
  return {
    weightIh: random.normal([3 * H, inputs], { std }),
    weightHh: random.normal([3 * H, H], { std }),
    biasIh: random.normal([3 * H], { std }),
    biasHh: random.normal([3 * H], { std }),
  };
}

const f64 = { device: cpu(), dtype: 'f64' } as const;

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

function naive(h: Record<string, HostArray>, resetAfter = true): { y: Float64Array; h: Float64Array } {
  const data = Object.fromEntries(Object.entries(h).map(([n, v]) => [n, v.data])) as Record<
    'x' | keyof GruWeights,
    Float64Array
  >;
  const [B, T, inputs] = h['x'].shape;
  return gruNaive({ ...data, resetAfter, B, T, I: inputs, H: h['weightHh'].shape[1] });
}

async function close(got: Tensor, want: ArrayLike<number>, digits = 12): Promise<void> {
  const data = await got.data();
  expect(data.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) expect(data[i]).toBeCloseTo(want[i], digits);
}

for (const resetAfter of [true, false]) {
  conformance(gru, {
    name: resetAfter ? 'gru' : 'gru, reset before the product',
    small: { dModel: 4, resetAfter },
    core: {
      inputs: ({ B, T, random }) => ({
        x: random.normal([B, T, I]),
        ...drawWeights(random),
        h0: random.normal([B, H]),
      }),
      op(t) {
        const [y, h] = gruSequence(t['x'], t as unknown as GruWeights, { h0: t['h0'], resetAfter });
        return { y, h };
      },
      naive: (h) => naive(h, resetAfter),
    },
  });
}

conformance(gru, {
  name: 'gru with projection, without bias',
  small: { dModel: 4, hiddenDim: 6, bias: false },
  learn: { dModel: 16, hiddenDim: 24, bias: false },
  naive(p, x) {
    const [B, T, C] = x.shape;
    const width = 6;
    const { y } = gruNaive({
      x: x.data,
      weightIh: p['weightIh'].data,
      weightHh: p['weightHh'].data,
      B,
      T,
      I: C,
      H: width,
    });
    const out = p['out.weight'].data; // [C, H]
    return Float64Array.from({ length: B * T * C }, (_, i) => {
      const [row, c] = [Math.floor(i / C), i % C];
      return y
        .subarray(row * width, (row + 1) * width)
        .reduce((sum, h, j) => sum + out[c * width + j] * h, 0);
    });
  },
});

describe.each([true, false])('gruSequence, resetAfter: %s', (resetAfter) => {
  const B = 3;
  const T = 6;
  const host = { x: hostRandom(2).normal([B, T, I]), ...drawWeights() };

  test('lengths: what lies behind them is passed over, in both directions', async () => {
    const { x, ...weights } = place(host);
    const lengths = [4, 0, 6];
    const masked = { lengths: tensor(Int32Array.from(lengths)) };
    for (const reverse of [false, true]) {
      const [y, h] = gruSequence(x, weights, { ...masked, reverse, resetAfter });
      for (const [b, n] of lengths.entries()) {
        const [alone, last] = gruSequence(x.slice(0, b, b + 1).slice(1, 0, n), weights, {
          reverse,
          resetAfter,
        });
        await close(y.at(b).slice(0, 0, n), await alone.data());
        await close(y.at(b).slice(0, n), new Float64Array((T - n) * H));
        await close(h.at(b), await last.data());
      }
    }
  });

  test('resets: the state is cleared before the position', async () => {
    const { x, ...weights } = place(host);
    const flags = new Float64Array(B * T);
    flags[2] = flags[T] = 1; // row 0 at t = 2, row 1 at t = 0
    const resets = toTensor({ data: flags, shape: [B, T], dtype: 'bool' }, f64);
    const h0 = toTensor(hostRandom(3).normal([B, H]), f64);
    const [y] = gruSequence(x, weights, { h0, resets, resetAfter });
    const [first] = gruSequence(x.slice(0, 0, 1).slice(1, 0, 2), weights, {
      h0: h0.slice(0, 0, 1),
      resetAfter,
    });
    const [second] = gruSequence(x.slice(0, 0, 1).slice(1, 2), weights, { resetAfter });
    await close(y.at(0), [...(await first.data()), ...(await second.data())]);
    await close(y.at(1), await gruSequence(x.slice(0, 1, 2), weights, { resetAfter })[0].data());
    await close(
      y.at(2),
      await gruSequence(x.slice(0, 2, 3), weights, { h0: h0.slice(0, 2, 3), resetAfter })[0].data(),
    );
  });

  test('masked gradients are those of the shorter rows', async () => {
    const placed = place({ ...host, h0: hostRandom(3).normal([B, H]) });
    const lengths = [4, 1, 6];
    const whole = grad((p: typeof placed) => {
      const masks = { lengths: tensor(Int32Array.from(lengths)) };
      const [y, h] = gruSequence(p.x, p, { h0: p.h0, resetAfter, ...masks });
      return sum(mul(y, y)).add(sum(mul(h, h)));
    }, placed);
    const rows = grad((p: typeof placed) => {
      const losses = lengths.map((n, b) => {
        const h0 = p.h0.slice(0, b, b + 1);
        const [y, h] = gruSequence(p.x.slice(0, b, b + 1).slice(1, 0, n), p, { h0, resetAfter });
        return sum(mul(y, y)).add(sum(mul(h, h)));
      });
      return losses.reduce((a, b) => a.add(b));
    }, placed);
    for (const name of Object.keys(placed) as (keyof typeof placed)[])
      await close(whole[name], await rows[name].data());
  });

  test('its gradient can be differentiated again', async () => {
    const names = ['x', 'weightHh', 'biasHh', 'h0'] as const;
    const all = { ...host, h0: hostRandom(4).normal([B, H]) };
    const direction = names.map((n) => hostRandom(5).normal(all[n].shape));
    const loss = (p: Record<keyof typeof all, Tensor>): Tensor => {
      const { x, h0, ...weights } = p;
      const [y, h] = gruSequence(x, weights, { h0, resetAfter });
      return sum(mul(y, y)).add(sum(mul(h, h)).mul(0.5));
    };
    // Slope of the gradient along a direction, twice: by differentiating it and by differences of it.
    const along = (p: Record<keyof typeof all, Tensor>): Tensor => {
      const g = grad(loss, p);
      return names.map((n, i) => sum(mul(g[n], toTensor(direction[i], f64)))).reduce((a, b) => a.add(b));
    };
    const second = grad(along, place(all));
    const step = 1e-5;
    for (const name of Object.keys(all) as (keyof typeof all)[]) {
      const at = Math.floor(all[name].data.length / 2);
      const moved = async (d: number): Promise<number> => {
        const data = all[name].data.slice();
        data[at] += d;
        return along(place({ ...all, [name]: { ...all[name], data } })).item();
      };
      const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
      expect((await second[name].data())[at], name).toBeCloseTo(slope, 6);
    }
  });

  test('saturated gates keep or replace the state, and gradients stay finite', async () => {
    const extreme = { ...drawWeights(hostRandom(6), I, 100), x: host.x };
    const { x, ...weights } = place(extreme, 'f32');
    const g = grad(
      (p: { x: Tensor; weights: GruWeights }) => sum(gruSequence(p.x, p.weights, { resetAfter })[0]),
      {
        x,
        weights,
      },
    );
    for (const leaf of [g.x, ...Object.values(g.weights)])
      expect([...(await leaf.data())].every(Number.isFinite)).toBe(true);
    await close(gruSequence(x, weights, { resetAfter })[0], naive(extreme, resetAfter).y, 3);
  });

  test('f32 stays within rounding of the definition', async () => {
    const { x, ...weights } = place(host, 'f32');
    await close(gruSequence(x, weights, { resetAfter })[0], naive(host, resetAfter).y, 6);
  });

  test('no positions: no output, the state as it was', async () => {
    const { x, ...weights } = place(host);
    const h0 = toTensor(hostRandom(3).normal([B, H]), f64);
    const [y, h] = gruSequence(x.slice(1, 0, 0), weights, { h0, resetAfter });
    expect(y.shape).toEqual([B, 0, H]);
    await close(h, await h0.data());
  });

  test('messages name the argument, the sizes and where they come from', () => {
    const { x, ...weights } = place(host);
    const zero = zeros([3 * H, H + 1], { dtype: 'f64' });
    expect(() => gruSequence(x, { ...weights, weightHh: zero })).toThrow(
      'gruSequence: weightHh must be [3H, H] = [18, 6], got [15, 6]. I = 3 comes from x, H = 6 from the columns of weightHh.',
    );
    expect(() => gruSequence(x, weights, { h0: zeros([B, H + 1], { dtype: 'f64' }) })).toThrow(
      'gruSequence: h0 must be [B, H] = [3, 5], got [3, 6]. Give one state per row.',
    );
    expect(() => gruSequence(x.at(0), weights)).toThrow('gruSequence: x must be [B, T, I], got [6, 3].');
    expect(() => gruSequence(x, weights, { lengths: zeros([B]) })).toThrow(
      "lengths must be i32, got f32. Use cast(lengths, 'i32').",
    );
    expect(() => gruSequence(x, weights, { h0: zeros([B, H]) })).toThrow(
      'must be all f32 or all f64, got f64 and f32',
    );
    expect(() => gruCell(x, zeros([B, H]), weights)).toThrow(
      'gruCell: x must be [B, I], got [3, 6, 3]. For several positions use gruSequence.',
    );
  });
});

describe('gruCell', () => {
  test('is one position of gruSequence', async () => {
    const host = { x: hostRandom(7).normal([2, 1, I]), ...drawWeights(), h0: hostRandom(8).normal([2, H]) };
    const { x, h0, ...weights } = place(host);
    await close(gruCell(x.at(0, 1), h0, weights), naive(host).h);
    await close(gruCell(x.at(0, 1), h0, weights, { resetAfter: false }), naive(host, false).h);
  });
});

describe('gruStack', () => {
  const [B, T] = [2, 5];
  const random = hostRandom(9);
  const x = random.normal([B, T, I]);
  const layers = [
    { forward: drawWeights(random), reverse: drawWeights(random) },
    { forward: drawWeights(random, 2 * H), reverse: drawWeights(random, 2 * H) },
  ];
  const placed = layers.map(({ forward, reverse }) => ({ forward: place(forward), reverse: place(reverse) }));

  /** One direction by the definition, on [B, T, width]; reversed in time before and after. */
  function direction(
    input: HostArray,
    weights: Record<string, HostArray>,
    reverse: boolean,
  ): { y: HostArray; h: Float64Array } {
    const run = naive({ x: reverse ? flipTime(input) : input, ...weights });
    const y = { data: run.y, shape: [B, T, H] };
    return { y: reverse ? flipTime(y) : y, h: run.h };
  }

  function flipTime({ data, shape }: HostArray): HostArray {
    const width = shape[2];
    const out = new Float64Array(data.length);
    for (let b = 0; b < B; b++)
      for (let t = 0; t < T; t++)
        out.set(data.subarray((b * T + t) * width, (b * T + t + 1) * width), (b * T + T - 1 - t) * width);
    return { data: out, shape };
  }

  function beside(a: HostArray, b: HostArray): HostArray {
    const out = new Float64Array(a.data.length * 2);
    for (let i = 0; i < a.data.length; i++) {
      const at = Math.floor(i / H) * 2 * H + (i % H);
      out[at] = a.data[i];
      out[at + H] = b.data[i];
    }
    return { data: out, shape: [B, T, 2 * H] };
  }

  test('two bidirectional layers are the definition of each, joined', async () => {
    let input = x;
    const finals: Float64Array[] = [];
    for (const { forward, reverse } of layers) {
      const ahead = direction(input, forward, false);
      const back = direction(input, reverse, true);
      finals.push(ahead.h, back.h);
      input = beside(ahead.y, back.y);
    }
    const [y, hN] = gruStack(toTensor(x, f64), placed);
    expect([y.shape, hN.shape]).toEqual([
      [B, T, 2 * H],
      [4, B, H],
    ]);
    await close(y, input.data);
    await close(
      hN,
      finals.flatMap((h) => [...h]),
    );
  });

  test('time first is batch first with two axes exchanged', async () => {
    const input = toTensor(x, f64);
    const [y, hN] = gruStack(input, placed);
    const [yt, hNt] = gruStack(input.swapAxes(0, 1), placed, { batchFirst: false });
    await close(yt.swapAxes(0, 1), await y.data());
    await close(hNt, await hN.data());
  });

  test('dropout acts between layers, by key, and is absent without one', async () => {
    const input = toTensor(x, f64);
    const plain = await gruStack(input, placed)[0].data();
    await close(gruStack(input, placed, { dropout: 0.5 })[0], plain);
    const once = await gruStack(input, placed, { dropout: 0.5, key: key(1) })[0].data();
    await close(gruStack(input, placed, { dropout: 0.5, key: key(1) })[0], once);
    expect(once).not.toEqual(plain);
    expect(await gruStack(input, placed, { dropout: 0.5, key: key(2) })[0].data()).not.toEqual(once);
    await close(
      gruStack(input, placed.slice(0, 1), { dropout: 0.5, key: key(1) })[0],
      await gruStack(input, placed.slice(0, 1))[0].data(),
    );
  });

  test('weights go to PyTorch names and back', async () => {
    const named = gruToTorch(placed, 'encoder.');
    expect(Object.keys(named)).toHaveLength(16);
    expect(named['encoder.weight_ih_l1_reverse'].shape).toEqual([3 * H, 2 * H]);
    const [y] = gruStack(toTensor(x, f64), gruFromTorch(new Map(Object.entries(named)), 'encoder.'));
    await close(y, await gruStack(toTensor(x, f64), placed)[0].data());
  });

  test('files that are not of this module are refused', () => {
    const named = gruToTorch(placed);
    const { weight_hh_l1_reverse: _, ...without } = named;
    expect(() => gruFromTorch(without)).toThrow(
      'gruFromTorch: weight_hh_l1_reverse is missing. Give every matrix of layers 0 to 1.',
    );
    const { weight_ih_l0: first } = named;
    expect(() => gruFromTorch({ ...named, weight_hr_l0: first })).toThrow(
      'gruFromTorch: names must be weight_ih, weight_hh, bias_ih, bias_hh with _l0, _l0_reverse, _l1, …, got weight_hr_l0.',
    );
    expect(() => gruFromTorch({}, 'decoder.')).toThrow('got no name with the prefix "decoder."');
    try {
      gruFromTorch({});
    } catch (error) {
      expect(SeqError.is(error, 'format')).toBe(true);
    }
  });

  test('layers that do not go together are refused', () => {
    const input = toTensor(x, f64);
    expect(() => gruStack(input, [])).toThrow('gruStack: at least one layer is needed, got none.');
    expect(() => gruStack(input, [placed[0], { forward: placed[1].forward }])).toThrow(
      'got 1 of 2 with reverse weights',
    );
    expect(() => gruStack(input, placed, { dropout: 1 })).toThrow(
      'gruStack: dropout must be in [0, 1), got 1.',
    );
    expect(() => gruStack(input, placed, { h0: zeros([2, B, H]) })).toThrow(
      'gruStack: initial states must be [layers · directions, B, ·] with 4 in front, got [2, 2, 5].',
    );
  });
});

describe('gru', () => {
  test('init draws from U(±1/√H)', async () => {
    const params = gru({ dModel: 8, hiddenDim: 16 }).init(key(3));
    const { data } = await toHost(params.weightHh);
    const largest = data.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
    expect(largest).toBeLessThanOrEqual(0.25);
    expect(largest).toBeGreaterThan(0.24);
  });

  test('options are checked', () => {
    expect(() => gru({ dModel: 8, hiddenDim: 0 })).toThrow(
      'gru: hiddenDim must be a positive integer, got 0. Leave it out for dModel = 8.',
    );
  });
});
