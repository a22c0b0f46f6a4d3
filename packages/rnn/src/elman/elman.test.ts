import { cpu, grad, key, mul, sum, tensor, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance, hostRandom, toHost, toTensor } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { elman, elmanCell, elmanFromTorch, elmanSequence, elmanStack, elmanToTorch } from './index.js';
import type { ElmanNonlinearity, ElmanWeights } from './index.js';
import { elmanNaive } from './naive.js';

const [I, H] = [3, 5];
const f64 = { device: cpu(), dtype: 'f64' } as const;

function drawWeights(random = hostRandom(1), inputs = I): Record<keyof ElmanWeights, HostArray> {
  const std = 0.5;
  return {
    weightIh: random.normal([H, inputs], { std }),
    weightHh: random.normal([H, H], { std }),
    biasIh: random.normal([H], { std }),
    biasHh: random.normal([H], { std }),
  };
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

function naive(
  h: Record<string, HostArray>,
  nonlinearity: ElmanNonlinearity = 'tanh',
): { y: Float64Array; h: Float64Array } {
  const data = Object.fromEntries(Object.entries(h).map(([n, v]) => [n, v.data])) as Record<
    'x' | keyof ElmanWeights,
    Float64Array
  >;
  const [B, T, inputs] = h['x'].shape;
  return elmanNaive({ ...data, nonlinearity, B, T, I: inputs, H: h['weightHh'].shape[1] });
}

async function close(got: Tensor, want: ArrayLike<number>, digits = 12): Promise<void> {
  const data = await got.data();
  expect(data.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) expect(data[i]).toBeCloseTo(want[i], digits);
}

for (const nonlinearity of ['tanh', 'relu', 'sigmoid', 'identity'] as const) {
  conformance(elman, {
    name: `elman, ${nonlinearity}`,
    small: { dModel: 4, nonlinearity },
    learn: { dModel: 16, hiddenDim: 48, nonlinearity },
    core: {
      inputs: ({ B, T, random }) => ({
        x: random.normal([B, T, I]),
        ...drawWeights(random),
        h0: random.normal([B, H]),
      }),
      op(t) {
        const [y, h] = elmanSequence(t['x'], t as unknown as ElmanWeights, { h0: t['h0'], nonlinearity });
        return { y, h };
      },
      naive: (h) => naive(h, nonlinearity),
    },
  });
}

conformance(elman, {
  name: 'elman with projection, identity init, without bias',
  small: { dModel: 4, hiddenDim: 6, nonlinearity: 'relu', identityInit: true, bias: false },
  learn: { dModel: 16, hiddenDim: 48, nonlinearity: 'relu', identityInit: true, bias: false },
  naive(p, x) {
    const [B, T, C] = x.shape;
    const width = 6;
    const [weightIh, weightHh] = [p['weightIh'].data, p['weightHh'].data];
    const { y } = elmanNaive({
      x: x.data,
      weightIh,
      weightHh,
      nonlinearity: 'relu',
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

describe('elmanSequence', () => {
  const B = 3;
  const T = 6;
  const host = { x: hostRandom(2).normal([B, T, I]), ...drawWeights() };

  test('lengths: what lies behind them is passed over, in both directions', async () => {
    const { x, ...weights } = place(host);
    const lengths = [4, 0, 6];
    const masked = { lengths: tensor(Int32Array.from(lengths)) };
    for (const reverse of [false, true]) {
      const [y, h] = elmanSequence(x, weights, { ...masked, reverse });
      for (const [b, n] of lengths.entries()) {
        const [alone, last] = elmanSequence(x.slice(0, b, b + 1).slice(1, 0, n), weights, { reverse });
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
    const [y] = elmanSequence(x, weights, { h0, resets });
    const [first] = elmanSequence(x.slice(0, 0, 1).slice(1, 0, 2), weights, { h0: h0.slice(0, 0, 1) });
    const [second] = elmanSequence(x.slice(0, 0, 1).slice(1, 2), weights);
    await close(y.at(0), [...(await first.data()), ...(await second.data())]);
    await close(y.at(1), await elmanSequence(x.slice(0, 1, 2), weights)[0].data());
  });

  test('masked gradients are those of the shorter rows', async () => {
    const placed = place({ ...host, h0: hostRandom(3).normal([B, H]) });
    const lengths = [4, 1, 6];
    const whole = grad((p: typeof placed) => {
      const [y, h] = elmanSequence(p.x, p, { h0: p.h0, lengths: tensor(Int32Array.from(lengths)) });
      return sum(mul(y, y)).add(sum(mul(h, h)));
    }, placed);
    const rows = grad((p: typeof placed) => {
      const losses = lengths.map((n, b) => {
        const [y, h] = elmanSequence(p.x.slice(0, b, b + 1).slice(1, 0, n), p, {
          h0: p.h0.slice(0, b, b + 1),
        });
        return sum(mul(y, y)).add(sum(mul(h, h)));
      });
      return losses.reduce((a, b) => a.add(b));
    }, placed);
    for (const name of Object.keys(placed) as (keyof typeof placed)[])
      await close(whole[name], await rows[name].data());
  });

  test('its gradient can be differentiated again', async () => {
    const all = { ...host, h0: hostRandom(4).normal([B, H]) };
    const names = Object.keys(all) as (keyof typeof all)[];
    const direction = names.map((n) => hostRandom(5).normal(all[n].shape));
    const loss = (p: Record<keyof typeof all, Tensor>): Tensor => {
      const [y, h] = elmanSequence(p.x, p, { h0: p.h0 });
      return sum(mul(y, y)).add(sum(mul(h, h)).mul(0.5));
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
      expect((await second[name].data())[at], name).toBeCloseTo(slope, 6);
    }
  });

  test('f32 stays within rounding of the definition', async () => {
    const { x, ...weights } = place(host, 'f32');
    await close(elmanSequence(x, weights)[0], naive(host).y, 6);
  });

  test('no positions: no output, the state as it was', async () => {
    const { x, ...weights } = place(host);
    const h0 = toTensor(hostRandom(3).normal([B, H]), f64);
    const [y, h] = elmanSequence(x.slice(1, 0, 0), weights, { h0 });
    expect(y.shape).toEqual([B, 0, H]);
    await close(h, await h0.data());
  });

  test('messages name the argument, the sizes and where they come from', () => {
    const { x, ...weights } = place(host);
    expect(() => elmanSequence(x, { ...weights, weightHh: zeros([H, H + 1], { dtype: 'f64' }) })).toThrow(
      'elmanSequence: weightHh must be [H, H] = [6, 6], got [5, 6]. I = 3 comes from x, H = 6 from the columns of weightHh.',
    );
    expect(() => elmanSequence(x, weights, { h0: zeros([B, H]) })).toThrow(
      'must be all f32 or all f64, got f64 and f32',
    );
    const sine = 'sin' as ElmanNonlinearity;
    expect(() => elmanSequence(x, weights, { nonlinearity: sine })).toThrow(
      `elmanSequence: nonlinearity must be 'tanh', 'relu', 'sigmoid' or 'identity', got "sin". Leave it out for tanh.`,
    );
    expect(() => elmanCell(x, zeros([B, H]), weights)).toThrow(
      'elmanCell: x must be [B, I], got [3, 6, 3]. For several positions use elmanSequence.',
    );
  });
});

test('elmanCell is one position of elmanSequence', async () => {
  const host = { x: hostRandom(7).normal([2, 1, I]), ...drawWeights(), h0: hostRandom(8).normal([2, H]) };
  const { x, h0, ...weights } = place(host);
  await close(elmanCell(x.at(0, 1), h0, weights), naive(host).h);
  await close(elmanCell(x.at(0, 1), h0, weights, { nonlinearity: 'relu' }), naive(host, 'relu').h);
});

test('weights go to PyTorch names and back', async () => {
  const random = hostRandom(9);
  const layers = [I, 2 * H].map((inputs) => ({
    forward: place(drawWeights(random, inputs)),
    reverse: place(drawWeights(random, inputs)),
  }));
  const x = toTensor(random.normal([2, 5, I]), f64);
  const named = elmanToTorch(layers, 'encoder.');
  expect(Object.keys(named)).toHaveLength(16);
  expect(named['encoder.weight_ih_l1_reverse'].shape).toEqual([H, 2 * H]);
  const [y, hN] = elmanStack(x, elmanFromTorch(new Map(Object.entries(named)), 'encoder.'));
  expect([y.shape, hN.shape]).toEqual([
    [2, 5, 2 * H],
    [4, 2, H],
  ]);
  await close(y, await elmanStack(x, layers)[0].data());
  expect(() => elmanFromTorch({ weight_hr_l0: x })).toThrow('elmanFromTorch: names must be weight_ih');
});

describe('elman', () => {
  test('identity init: the state is kept, biases are 0', async () => {
    const params = elman({ dModel: 4, hiddenDim: 3, identityInit: true }).init(key(3));
    expect((await toHost(params.weightHh)).data).toEqual(Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1));
    for (const bias of [params.biasIh, params.biasHh])
      expect(bias && [...(await bias.data())]).toEqual([0, 0, 0]);
  });

  test('IRNN: the gradient by the first input does not fade over 200 positions, that of the default does', async () => {
    const T = 200;
    const slope = async (identityInit: boolean): Promise<number> => {
      const params = elman({ dModel: 8, nonlinearity: 'relu', identityInit }).init(key(1));
      const h0 = zeros([1, 8]).add(1);
      const g = grad(
        (h: Tensor) => sum(elmanSequence(zeros([1, T, 8]), params, { h0: h, nonlinearity: 'relu' })[1]),
        h0,
      );
      return g.abs().max().item();
    };
    expect(await slope(true)).toBe(1);
    expect(await slope(false)).toBeLessThan(1e-6);
  });

  test('options are checked', () => {
    expect(() => elman({ dModel: 8, hiddenDim: 0 })).toThrow(
      'elman: hiddenDim must be a positive integer, got 0. Leave it out for dModel = 8.',
    );
    expect(() => elman({ dModel: 8, nonlinearity: 'gelu' as ElmanNonlinearity })).toThrow(
      `elman: nonlinearity must be 'tanh', 'relu', 'sigmoid' or 'identity', got "gelu".`,
    );
  });
});
