import type { Tensor } from '@seq/tensor';
import { compile, concat, createCpu, grad, tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { createRecording } from './recording.js';
import { floorTestDevice, random, testDevice } from './testkit.js';

type Body = (...xs: Tensor[]) => Tensor | readonly Tensor[];

const numbers = (shapes: readonly (readonly number[])[], device: Tensor['device']): Tensor[] =>
  shapes.map((shape, i) => {
    const next = random(i + 11);
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() * 2 - 1);
    return tensor(data, { shape, device });
  });

/** What a compiled body gives on the GPU, twice, is what it gives on the CPU. Answers with the dispatches of a run. */
async function agree(f: Body, shapes: readonly (readonly number[])[]): Promise<number[]> {
  const want = await Promise.all([f(...numbers(shapes, createCpu()))].flat().map((t) => t.data()));
  const counts: number[] = [];
  for (const device of [await testDevice(), await floorTestDevice()]) {
    const run = compile((...xs: Tensor[]) => [f(...xs)].flat());
    const xs = numbers(shapes, device);
    for (let round = 0; round < 2; round++) {
      await Promise.all(xs.map((x) => x.realize()));
      const { dispatches } = device.counters;
      const ys = run(...xs);
      const got = await Promise.all(ys.map((y) => y.data()));
      counts[round] = device.counters.dispatches - dispatches;
      got.forEach((data, i) =>
        data.forEach((v, k) =>
          expect(Math.abs(v - want[i][k])).toBeLessThanOrEqual(2e-5 * (1 + Math.abs(want[i][k]))),
        ),
      );
    }
    run.dispose();
  }
  return counts;
}

describe('kernels side by side', () => {
  test('what does not need each other shares a dispatch', async () => {
    const two: Body = (x, y) => [x.exp(), y.transpose().tanh().add(1)];
    expect(
      (
        await agree(two, [
          [40, 3],
          [17, 33],
        ])
      )[1],
    ).toBe(1);
    const chain: Body = (x) => [x.exp().sum(0), x.sum(1).exp()];
    await agree(chain, [[40, 30]]);
  });

  test('each keeps its own grid, names and constants', async () => {
    const f: Body = (x, w, b) => [
      x.matmul(w).add(b).mul(2),
      w.transpose().matmul(x.transpose()).mul(3),
      x.mul(2).sigmoid(),
      x.sub(5).gt(-5).cast('f32'),
    ];
    await agree(f, [[50, 20], [20, 30], [30]]);
  });

  test('gradients of products, norms and concatenations', async () => {
    const loss = (p: Tensor[]): Tensor => {
      const h = p[0].matmul(p[1]).add(p[2]).gelu();
      const parts = concat([h.slice(1, 0, 8), h.slice(1, 8, 24).square()], 1);
      return parts.softmax(-1).matmul(p[3]).square().mean();
    };
    await agree((...xs) => grad((p: Tensor[]) => loss(p), xs), [[33, 16], [16, 24], [24], [24, 5]]);
  });

  test('memory of operands that others still read is not taken over', async () => {
    const f: Body = (x, y) => {
      const s = x.exp();
      const a = s.add(y).sum(1);
      const b = s.mul(y);
      return [a, b, s.matmul(y.transpose()), b.cumsum(0)];
    };
    await agree(f, [
      [24, 24],
      [24, 24],
    ]);
  });

  test('never more bindings than the floor has, and never where every number is checked', async () => {
    const wide = (...xs: Tensor[]): Tensor[] => xs.map((x, i) => x.mul(i + 1).exp());
    const shapes = Array.from({ length: 9 }, (_, i) => [5 + i]);
    for (const [options, least] of [
      [{}, 3],
      [{ checkNumerics: true }, 9],
    ] as const) {
      const { device, recorded } = createRecording(options);
      const run = compile(wide);
      const xs = numbers(shapes, device);
      run.plan(...xs);
      await Promise.all(xs.map((x) => x.realize()));
      const { dispatches } = recorded;
      await Promise.all(run(...xs).map((y) => y.realize()));
      expect(recorded.dispatches - dispatches).toBeGreaterThanOrEqual(least);
      if (least === 3) expect(recorded.dispatches - dispatches).toBe(3);
    }
  });
});
