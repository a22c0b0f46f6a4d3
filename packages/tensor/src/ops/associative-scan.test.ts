import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, expectClose, list, sample as plainSample } from '../testkit.js';

// Recycled memory holds NaN, so that a kernel that leaves something out shows.
const device = s.createCpu({ poison: true });
const sample = (shape: number[], o: { seed?: number } = {}): s.Tensor => plainSample(shape, { device, ...o });

type Pair = { a: s.Tensor; x: s.Tensor };
/** Later after earlier: h ↦ a₂(a₁ h + x₁) + x₂. Does not commute. */
const affine = (l: Pair, r: Pair): Pair => ({ a: r.a.mul(l.a), x: r.a.mul(l.x).add(r.x) });

describe('associativeScan', () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 31])('%i matrices, which do not commute', async (T) => {
    const m = sample([T, 2, 2], { seed: T + 1 });
    const v = await list(m);
    for (const reverse of [false, true]) {
      const want = new Array<number>(4 * T);
      let p = [1, 0, 0, 1];
      for (let n = 0; n < T; n++) {
        const t = reverse ? T - 1 - n : n;
        const [a, b, c, d] = v.slice(4 * t, 4 * t + 4);
        p = [p[0] * a + p[1] * c, p[0] * b + p[1] * d, p[2] * a + p[3] * c, p[2] * b + p[3] * d];
        for (let i = 0; i < 4; i++) want[4 * t + i] = p[i];
      }
      const y = s.associativeScan((l: s.Tensor, r: s.Tensor) => l.matmul(r), m, { reverse });
      expect(y.shape).toEqual([T, 2, 2]);
      expectClose(await list(y), want, 1e-13);
    }
  });

  test.each([1, 5, 8])('is the linear recurrence along any axis, with its gradients: T = %i', async (T) => {
    const [a, x] = [sample([2, T, 3]), sample([2, T, 3], { seed: 2 })];
    for (const reverse of [false, true]) {
      const scanned = (p: s.Tensor, q: s.Tensor): s.Tensor =>
        s.associativeScan(affine, { a: p, x: q }, { axis: 1, reverse }).x;
      expectClose(await list(scanned(a, x)), await list(s.linearRecurrence(a, x, { reverse })), 1e-14);
      const last = s.associativeScan(
        affine,
        { a: a.swapAxes(1, 2), x: x.swapAxes(1, 2) },
        { axis: -1, reverse },
      ).x;
      expectClose(await list(last.swapAxes(1, 2)), await list(s.linearRecurrence(a, x, { reverse })), 1e-14);
      await checkGradients(scanned, [a, x], { second: false });
    }
  });

  test('about 2 log₂ T calls, each over all pairs at once', () => {
    let calls = 0;
    let pairs = 0;
    s.associativeScan(
      (l: s.Tensor, r: s.Tensor) => {
        calls++;
        pairs += l.shape[0];
        return l.add(r);
      },
      s.ones([1000]),
    );
    expect(calls).toBeLessThanOrEqual(2 * 10);
    expect(pairs).toBeLessThanOrEqual(2 * 1000);
  });

  test('the inputs stay usable and temporaries are let go', async () => {
    const device = s.createCpu();
    const x = plainSample([9], { device });
    const before = device.memory().tensors;
    const y = s.associativeScan((l: s.Tensor, r: s.Tensor) => l.add(r), x);
    await y.realize();
    expect(device.memory().tensors).toBe(before + 1);
    y.dispose();
    expectClose(await list(x), await list(sample([9])), 0);
    const one = s.associativeScan((l: s.Tensor) => l, x.slice(0, 0, 1));
    one.dispose();
    expect(x.disposed).toBe(false);
  });

  test('messages', () => {
    const sum = (l: s.Tensor, r: s.Tensor): s.Tensor => l.add(r);
    expect(() => s.associativeScan(sum, s.zeros([3]), { axis: 1 })).toThrow(
      'associativeScan: axis must be an integer in [-1, 0], got 1.',
    );
    expect(() => s.associativeScan(affine, { a: s.zeros([3]), x: s.zeros([4]) })).toThrow(
      'associativeScan: all elems must have 3 elements along axis 0, got [4].',
    );
    expect(() => s.associativeScan((l: s.Tensor, r: s.Tensor) => l.add(r).sum(0), s.zeros([4]))).toThrow(
      'associativeScan: combine must keep the structure and shapes [2], got [].',
    );
    expect(() => s.associativeScan((l: object) => l, {})).toThrow(
      'associativeScan: elems must hold at least one tensor',
    );
  });
});
