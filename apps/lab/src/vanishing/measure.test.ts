import { key, normal, tensor, zerosLike } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { elman, gru, lstm } from '@seq/rnn';
import { describe, expect, it } from 'vitest';
import { trajectory } from './jacobian.js';
import type { RecurrentMixer, RecurrentState } from './jacobian.js';
import { spectralNorm } from './linear-algebra.js';
import { measureDecay, slopeOf } from './measure.js';
import { subjects } from './subjects.js';
import { outermost, weightsOf } from './theory.js';

const settings = { seed: 0, distance: 40, hidden: 16, draws: 3, length: 20, steps: 10, repeat: '' };
const f64 = { dtype: 'f64' } as const;

/** ∂h_T/∂h_{T−k} by central differences of the steps themselves. */
async function byDifferences(
  mixer: RecurrentMixer,
  params: unknown,
  x: Tensor,
  k: number,
): Promise<number[]> {
  const H = x.shape[2];
  const T = x.shape[1];
  const last = async (unit: number, by: number): Promise<ArrayLike<number>> => {
    let state = mixer.initState(1, f64) as RecurrentState;
    for (let t = 0; t < T; t++) {
      if (t === T - k) {
        const moved = Float64Array.from(await state.h.data());
        moved[unit] += by;
        state = { ...state, h: tensor(moved).reshape([1, H]) };
      }
      [, state] = mixer.step(params, x.at(t, 1), state) as [Tensor, RecurrentState];
    }
    return state.h.data();
  };
  const columns = await Promise.all(
    Array.from({ length: H }, async (_, unit) => {
      const [up, down] = [await last(unit, 1e-5), await last(unit, -1e-5)];
      return Array.from(up, (y, i) => (y - down[i]) / 2e-5);
    }),
  );
  return Array.from({ length: H * H }, (_, i) => columns[i % H][Math.floor(i / H)]);
}

describe('trajectory', () => {
  const H = 5;
  const models: [string, RecurrentMixer][] = [
    ['Elman', elman({ dModel: H })],
    ['GRU', gru({ dModel: H })],
    ['LSTM', lstm({ dModel: H, forgetBias: 1 })],
    ['normalised LSTM', lstm({ dModel: H, layerNorm: true })],
  ];
  it.each(models)('%s: the Jacobians are those of central differences', async (_, mixer) => {
    const params: unknown = mixer.init(key(1), f64);
    const x = normal(key(2), [1, 9, H], f64);
    const { jacobians } = await trajectory(mixer, params, x, 4);
    expect(jacobians).toHaveLength(5);
    for (const k of [1, 2, 5]) {
      const want = await byDifferences(mixer, params, x, k);
      for (const [i, v] of jacobians[k - 1].data.entries()) expect(v).toBeCloseTo(want[i], 7);
    }
  });

  it('of a linear network they are the powers of W', async () => {
    const mixer = elman({ dModel: 2, nonlinearity: 'identity' });
    const params = mixer.init(key(3), f64);
    const { jacobians } = await trajectory(mixer, params, normal(key(4), [1, 6, 2], f64), 3);
    const [a, b, c, d] = await params.weightHh.data();
    const square = [a * a + b * c, a * b + b * d, c * a + d * c, c * b + d * d];
    for (const [i, v] of [a, b, c, d].entries()) expect(jacobians[0].data[i]).toBeCloseTo(v, 12);
    for (const [i, v] of square.entries()) expect(jacobians[1].data[i]).toBeCloseTo(v, 12);
  });

  it('shows inputs and states in their order', async () => {
    const mixer = lstm({ dModel: 3 });
    const params = mixer.init(key(5), f64);
    const x = normal(key(6), [1, 7, 3], f64);
    const run = await trajectory(mixer, params, x, 4);
    const [y, state] = mixer.prefill(params, x, mixer.initState(1, f64));
    expect([run.x.length, run.h.length, run.c?.length]).toEqual([3, 4, 4]);
    expect([...run.x[2]]).toEqual([...(await x.at(6, 1).data())]);
    for (const t of [0, 1, 2, 3])
      for (const [i, h] of (await y.at(3 + t, 1).data()).entries()) expect(run.h[t][i]).toBeCloseTo(h, 12);
    for (const [i, c] of (await state.c.data()).entries()) expect(run.c?.[3][i]).toBeCloseTo(c, 12);
  });
});

describe('theory', () => {
  const unit = { logKeep: Math.log(0.5), through: 0, around: 0 };

  it('outermost: gates alone, random weights alone, both', () => {
    expect(outermost([unit, { ...unit, logKeep: Math.log(0.8) }])).toBeCloseTo(0.8, 9);
    expect(outermost([{ logKeep: -Infinity, through: 0.09, around: 0.16 }])).toBeCloseTo(0.5, 9);
    expect(outermost([{ ...unit, through: 0.04 }])).toBeCloseTo(0.7, 9);
  });

  it('a GRU without recurrent weights decays as its gates do', async () => {
    const subject = subjects.find(({ name }) => name === 'gru')!;
    const params = gru({ dModel: 6 }).init(key(7), f64);
    const cut = { ...params, weightHh: zerosLike(params.weightHh) };
    const run = await trajectory(subject.mixer(6), cut, normal(key(8), [1, 40, 6], f64), 20);
    const measured = Math.log(spectralNorm(run.jacobians[19])) / 20;
    expect(subject.theory(await weightsOf(cut), run)).toBeCloseTo(measured, 4);
  });
});

describe('measureDecay', () => {
  it('slopes order the models, and theory is near; that of the linear one is exact', async () => {
    const results = await Promise.all(subjects.map((subject) => measureDecay(subject, settings)));
    const slope = Object.fromEntries(results.map((r) => [r.name, r.slope!]));
    const order = ['elman-sigmoid', 'elman-relu', 'elman-tanh', 'gru', 'lstm-1', 'lstm-3'];
    for (const [i, name] of order.slice(1).entries())
      expect(slope[name], name).toBeGreaterThan(slope[order[i]]);
    expect(slope['irnn']).toBeCloseTo(0, 6);
    for (const { name, theory, logNorm, spread } of results) {
      expect(logNorm).toHaveLength(settings.distance);
      expect(spread).toBeGreaterThanOrEqual(0);
      const far = name === 'lstm-norm' ? 0.35 : name === 'elman-identity' || name === 'irnn' ? 0.02 : 0.15;
      expect(Math.abs(slope[name] - theory), name).toBeLessThan(far);
    }
    const kept = results.flatMap(({ kept: k }) => (k === null ? [] : [k]));
    expect(kept).toHaveLength(5);
    // The gates of an LSTM at rest: f = σ(forget bias).
    const resting = (bias: number): number => -Math.log1p(Math.exp(-bias));
    for (const bias of [0, 1, 3]) {
      const measured = results.find(({ name }) => name === `lstm-${bias}`)?.kept ?? NaN;
      expect(Math.abs(measured - resting(bias)), `forget bias ${bias}`).toBeLessThan(0.1);
    }
  });

  it('the same seed gives the same numbers, another seed others', async () => {
    const small = { ...settings, distance: 10, draws: 1 };
    const once = await measureDecay(subjects[0], small);
    expect(await measureDecay(subjects[0], small)).toEqual(once);
    expect((await measureDecay(subjects[0], { ...small, seed: 1 })).slope).not.toBe(once.slope);
  });

  it('a norm of 0 is no point of the curve', async () => {
    const cut: RecurrentMixer = {
      ...lstm({ dModel: 4 }),
      init: (k, o) => {
        const params = lstm({ dModel: 4 }).init(k, o);
        return { ...params, weightHh: zerosLike(params.weightHh) };
      },
    };
    const subject = { ...subjects[6], mixer: () => cut };
    const result = await measureDecay(subject, { ...settings, hidden: 4, distance: 8, draws: 2 });
    expect(result.logNorm).toEqual(new Array(8).fill(null));
    expect([result.slope, result.spread]).toEqual([null, null]);
  });

  it('slopeOf leaves out what is near and what is no number', () => {
    expect(slopeOf([9, 4, 2, 0], 2)).toBeCloseTo(-2, 12);
    expect(slopeOf([9, 4, null, 0], 2)).toBeCloseTo(-2, 12);
    expect(slopeOf([1, null], 1)).toBeNull();
  });
});
