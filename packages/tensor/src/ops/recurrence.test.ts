import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, expectClose, list, sample as plainSample } from '../testkit.js';

// Recycled memory holds NaN, so that a kernel that leaves something out shows.
const device = s.createCpu({ poison: true });
const sample = (shape: number[], o: { seed?: number } = {}): s.Tensor => plainSample(shape, { device, ...o });

/** h for [B, T, C] values, forwards or backwards. */
function naive(a: number[], x: number[], h0: number[], [B, T, C]: number[], reverse: boolean): number[] {
  const h = new Array<number>(B * T * C).fill(0);
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      let state = h0[b * C + c];
      for (let n = 0; n < T; n++) {
        const i = (b * T + (reverse ? T - 1 - n : n)) * C + c;
        state = a[i] * state + x[i];
        h[i] = state;
      }
    }
  }
  return h;
}

describe('linearRecurrence', () => {
  const shapes = [
    [2, 5, 3],
    [1, 1, 4],
    [2, 0, 3],
    [0, 4, 2],
    [3, 7, 1],
  ];
  for (const reverse of [false, true]) {
    test.each(shapes)(
      `[%i, %i, %i]${reverse ? ' reversed' : ''}: value and gradients by a, x and initial`,
      async (...shape) => {
        const [a, x] = [sample(shape), sample(shape, { seed: 2 })];
        const initial = sample([shape[0], shape[2]], { seed: 3 });
        const [av, xv, hv] = await Promise.all([a, x, initial].map(list));
        expectClose(
          await list(s.linearRecurrence(a, x, { initial, reverse })),
          naive(av, xv, hv, shape, reverse),
          1e-14,
        );
        expectClose(
          await list(s.linearRecurrence(a, x, { reverse })),
          naive(
            av,
            xv,
            hv.map(() => 0),
            shape,
            reverse,
          ),
          1e-14,
        );
        await checkGradients((p, q, h) => s.linearRecurrence(p, q, { initial: h, reverse }), [a, x, initial]);
        await checkGradients((p, q) => s.linearRecurrence(p, q, { reverse }), [a, x]);
      },
    );
  }

  test('a broadcasts: per channel, per position, a scalar', async () => {
    const x = sample([2, 4, 3]);
    for (const shape of [[3], [4, 1], [1, 4, 3], [2, 1, 1], []]) {
      const a = sample(shape, { seed: 5 });
      const full = a.broadcastTo([2, 4, 3]);
      expect(await list(s.linearRecurrence(a, x))).toEqual(
        await list(s.linearRecurrence(full.contiguous(), x)),
      );
      await checkGradients((p, q) => s.linearRecurrence(p, q), [a, x]);
    }
  });

  test('any axis, transposed inputs, further axes', async () => {
    const a = sample([3, 2, 5, 4]);
    const x = sample([3, 2, 5, 4], { seed: 2 });
    for (const axis of [0, 1, 2, 3, -1]) {
      const n = axis < 0 ? 3 : axis;
      const rest = [3, 2, 5, 4].filter((_, i) => i !== n);
      const initial = sample(rest, { seed: 4 });
      const moved = s.linearRecurrence(a.swapAxes(n, 1), x.swapAxes(n, 1), {
        initial: initial.expandDims(n).swapAxes(n, 1).squeeze(1),
      });
      const direct = s.linearRecurrence(a, x, { initial, axis });
      expect(await list(direct.swapAxes(n, 1))).toEqual(await list(moved));
    }
  });

  test('f32: a fold of single steps and any cut give the same bits', async () => {
    const a = sample([2, 9, 3]).cast('f32');
    const x = sample([2, 9, 3], { seed: 2 }).cast('f32');
    const all = await list(s.linearRecurrence(a, x));
    for (const cut of [1, 4, 8]) {
      const first = s.linearRecurrence(a.slice(1, 0, cut), x.slice(1, 0, cut));
      const second = s.linearRecurrence(a.slice(1, cut), x.slice(1, cut), { initial: first.at(-1, 1) });
      expect(await list(s.concat([first, second], 1))).toEqual(all);
    }
    let h = x.at(0, 1).zeros();
    for (let t = 0; t < 9; t++) h = a.at(t, 1).mul(h).add(x.at(t, 1));
    expectClose(await list(h), await list(s.linearRecurrence(a, x).at(-1, 1)), 1e-6);
  });

  test('factors of 0 forget, infinite states stay where they are', async () => {
    const x = s.tensor([[[1], [2], [3]]]);
    expect(await list(s.linearRecurrence(s.tensor([0]), x))).toEqual([1, 2, 3]);
    expect(await list(s.linearRecurrence(s.tensor([1]), x))).toEqual([1, 3, 6]);
  });

  test('messages', () => {
    const x = s.zeros([2, 3, 4]);
    expect(() => s.linearRecurrence(s.zeros([3]), x)).toThrow(
      'linearRecurrence: a must broadcast to x [2, 3, 4], got [3].',
    );
    expect(() => s.linearRecurrence(s.zeros([4]), x, { initial: s.zeros([4]) })).toThrow(
      'linearRecurrence: initial must be x without axis 1, [2, 4], got [4].',
    );
    expect(() => s.linearRecurrence(s.zeros([4], { dtype: 'f64' }), x)).toThrow(
      'must be all f32 or all f64, got f64, f32',
    );
  });
});
