import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import type { CrossEntropyOptions } from './loss.js';
import { checkGradients, expectClose, list, numbers, sample as plainSample } from '../testkit.js';

// Recycled memory holds NaN, so that a kernel that leaves something out shows.
const device = s.createCpu({ poison: true });
const references = s.createCpu({ poison: true, references: true });
const sample = (shape: number[], o: { seed?: number; map?: (v: number) => number } = {}): s.Tensor =>
  plainSample(shape, { device, ...o });
const classes = (values: number[], shape: number[] = [values.length], on: s.CpuDevice = device): s.Tensor =>
  s.tensor(values, { shape, dtype: 'i32', device: on });

/** PyTorch's definition, written from its documentation, in double. */
function naive(
  z: number[],
  y: number[],
  V: number,
  o: Omit<CrossEntropyOptions, 'weight'> & { weight?: number[] },
): number[] {
  const {
    reduction = 'mean',
    ignoreIndex = -100,
    labelSmoothing = 0,
    weight = new Array<number>(V).fill(1),
  } = o;
  let total = 0;
  const rows = y.map((target, r) => {
    if (target === ignoreIndex) return 0;
    total += weight[target];
    const row = z.slice(r * V, (r + 1) * V);
    const max = Math.max(...row);
    const lse = max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
    let loss = 0;
    row.forEach((v, c) => {
      const q = (c === target ? 1 - labelSmoothing : 0) + labelSmoothing / V;
      loss -= q * weight[c] * (v - lse);
    });
    return loss;
  });
  if (reduction === 'none') return rows;
  const sum = rows.reduce((p, v) => p + v, 0);
  return [reduction === 'sum' ? sum : sum / total];
}

describe('crossEntropy', () => {
  const [N, V] = [6, 5];
  const z = sample([N, V], { map: (v) => 3 * v });
  const w = sample([V], { seed: 9, map: (v) => v + 1.2 });
  const targets = [1, 4, -100, 0, 4, 2];

  for (const reduction of ['mean', 'sum', 'none'] as const) {
    for (const labelSmoothing of [0, 0.3, 1]) {
      for (const weighted of [false, true]) {
        test(`${reduction}, smoothing ${labelSmoothing}${weighted ? ', weights' : ''}: value and gradients`, async () => {
          const o = { reduction, labelSmoothing };
          const f = (logits: s.Tensor, weight?: s.Tensor): s.Tensor =>
            s.crossEntropy(logits, classes(targets, [N], logits.device as s.CpuDevice), { ...o, weight });
          const weight = weighted ? w : undefined;
          const want = naive(await list(z), targets, V, {
            ...o,
            weight: weighted ? await list(w) : undefined,
          });
          expectClose(await list(f(z, weight)), want, 1e-14);
          expectClose(await list(f(z.cast('f32'), weight?.cast('f32'))), want, 1e-6);
          await checkGradients(f, weighted ? [z, w] : [z]);
          const [rz, rw] = [
            plainSample([N, V], { device: references, map: (v) => 3 * v }),
            s.tensor(await list(w), { dtype: 'f64', device: references }),
          ];
          expectClose(await list(f(rz, weighted ? rw : undefined)), want, 1e-14, 'reference');
        });
      }
    }
  }

  test('leading axes; ignoreIndex may be a class', async () => {
    const logits = sample([2, 3, V]);
    const y = [0, 3, 1, 1, 4, 3];
    const loss = s.crossEntropy(logits, classes(y, [2, 3]), { reduction: 'none', ignoreIndex: 3 });
    expect(loss.shape).toEqual([2, 3]);
    expectClose(
      await list(loss),
      naive(await list(logits), y, V, { reduction: 'none', ignoreIndex: 3 }),
      1e-14,
    );
  });

  test('logits of ±10⁴ and of −∞', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      const logits = s.tensor(
        [
          [1e4, -1e4, 0],
          [-1e4, 1e4, 1e4],
          [1e4, 1e4, 1e4],
          [-Infinity, 0, 0],
        ],
        { dtype, device },
      );
      const f = (x: s.Tensor, y: number[]): s.Tensor => s.crossEntropy(x, classes(y), { reduction: 'none' });
      expectClose(
        await list(f(logits, [0, 1, 2, 1])),
        [0, Math.LN2, Math.log(3), Math.LN2],
        dtype === 'f32' ? 1e-7 : 1e-15,
      );
      expectClose(await list(f(logits, [1, 0, 0, 0])), [2e4, 2e4 + Math.LN2, Math.log(3), Infinity], 1e-7);
      const g = await list(s.grad((x: s.Tensor) => f(x, [1, 0, 0, 2]).sum(), logits));
      expectClose(g, [1, -1, 0, -1, 0.5, 0.5, -2 / 3, 1 / 3, 1 / 3, 0, 0.5, -0.5], 1e-6);
    }
  });

  test('a row of only −∞ gives +∞, never NaN, and finite gradients', async () => {
    const x = s.full([1, 3], -Infinity, { dtype: 'f64', device });
    const f = (v: s.Tensor): s.Tensor => s.crossEntropy(v, classes([1]));
    expect(await f(x).item()).toBe(Infinity);
    expect(await list(s.grad(f, x))).toEqual([0, -1, 0]);
  });

  test('when every target is ignored the mean is NaN as in PyTorch, the sum 0, and gradients are 0', async () => {
    const y = classes([-100, -100]);
    const x = sample([2, 3]);
    expect(await s.crossEntropy(x, y).item()).toBeNaN();
    expect(await s.crossEntropy(x, y, { reduction: 'sum' }).item()).toBe(0);
    expect(await list(s.crossEntropy(x, y, { reduction: 'none' }))).toEqual([0, 0]);
    expect(await list(s.grad((v: s.Tensor) => s.crossEntropy(v, y), x))).toEqual([0, 0, 0, 0, 0, 0]);
    const none = s.zeros([0, 3], { device });
    expect(await s.crossEntropy(none, classes([])).item()).toBeNaN();
    expect(await s.crossEntropy(none, classes([]), { reduction: 'sum' }).item()).toBe(0);
  });

  test('a long row sums in double', async () => {
    const V = 50_000;
    const x = s.tensor(Float32Array.from(numbers(V, 4)), { shape: [1, V], device });
    const z = Array.from(await x.data());
    expectClose(await list(s.crossEntropy(x, classes([7]))), naive(z, [7], V, {}), 1e-7);
  });

  test('messages', async () => {
    const x = s.zeros([2, 3], { device });
    for (const bad of [3, -1, -99]) {
      await expect(s.crossEntropy(x, classes([0, bad])).item()).rejects.toThrow(
        `crossEntropy: targets must be in [0, 2] or ignoreIndex -100, got ${bad} (element 1).`,
      );
    }
    const code = await s
      .crossEntropy(x, classes([0, 5]))
      .item()
      .catch((e: unknown) => s.SeqError.is(e, 'index'));
    expect(code).toBe(true);
    expect(() => s.crossEntropy(x, classes([0]))).toThrow('got logits [2, 3] and targets [1].');
    expect(() => s.crossEntropy(x, s.zeros([2], { device }))).toThrow(
      'crossEntropy: targets must be i32 class numbers, got f32.',
    );
    expect(() => s.crossEntropy(x, classes([0, 1]), { weight: s.ones([2], { device }) })).toThrow(
      'weight must be f32 [3], got f32 [2].',
    );
    expect(() => s.crossEntropy(x, classes([0, 1]), { labelSmoothing: 1.5 })).toThrow(
      'labelSmoothing must be in [0, 1], got 1.5.',
    );
    expect(() => s.crossEntropy(x, classes([0, 1]), { reduction: 'avg' as 'mean' })).toThrow(
      `reduction must be 'mean', 'sum' or 'none', got "avg".`,
    );
  });
});
