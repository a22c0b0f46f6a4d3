import type { Tensor } from '@seq/tensor';
import { compile, concat, createCpu, grad, tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { createRecording } from './recording.js';
import { besideDevice, freshDevice, random } from './testkit.js';

type Body = (...xs: Tensor[]) => Tensor | readonly Tensor[];

const numbers = (shapes: readonly (readonly number[])[], device: Tensor['device']): Tensor[] =>
  shapes.map((shape, i) => {
    const next = random(i + 11);
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() * 2 - 1);
    return tensor(data, { shape, device });
  });

type Opened = ReturnType<typeof freshDevice>;
const once = (open: () => Opened): (() => Opened) => {
  let opened: Opened | undefined;
  return () => (opened ??= open());
};
const joining = once(() => besideDevice({ joinDispatches: true }));
const joiningAtFloor = once(() => freshDevice({ joinDispatches: true, floor: true }));
/** The kernels for GPUs, whose invocations meet at barriers, with no more than every device has. */
const gpuAtFloor = once(() => freshDevice({ floor: true, assumeGpu: true }));

/**
 * What a compiled body gives on the GPU, twice, is what it gives on the CPU, and its plan knows the dispatches of a run.
 * Answers with these.
 */
async function agree(f: Body, shapes: readonly (readonly number[])[], asGpu = false): Promise<number[]> {
  const want = await Promise.all([f(...numbers(shapes, createCpu()))].flat().map((t) => t.data()));
  const counts: number[] = [];
  const devices = asGpu ? [gpuAtFloor()] : [joining(), joiningAtFloor()];
  for (const device of await Promise.all(devices)) {
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
    expect(counts[1]).toBe(run.plan(...xs).dispatches);
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

  test('kernels of one invocation each run in the workgroups of others', async () => {
    const f: Body = (x, w) => [x.matmul(w), x.softmax(-1), x.mul(2), x.transpose().contiguous(), x.sum(0)];
    const shapes = [
      [70, 66],
      [66, 40],
    ];
    expect((await agree(f, shapes, true))[1]).toBeLessThan(5);
    await agree(f, shapes);
  });

  test('a pass that follows another runs beside what needs neither', async () => {
    // Column sums take two dispatches, which the two that follow each other take in.
    const f: Body = (x, w) => [x.sum(0), x.exp().cumsum(1).matmul(w).softmax(-1)];
    const shapes = [
      [300, 64],
      [64, 64],
    ];
    await agree(f, shapes, true);
  });

  test('joined passes report whose data is bad', async () => {
    const device = await joining();
    const at = (...ids: number[]): Tensor => tensor(ids, { dtype: 'i32', device });
    const [table] = numbers([[5, 3]], device);
    const run = compile((i: Tensor, j: Tensor) => [table.gather(i), table.gather(j), table.mul(2)]);
    const good = run(at(0, 1), at(4, 2));
    expect(Array.from(await good[1].data())).toEqual(Array.from(await table.gather(at(4, 2)).data()));
    for (const [ids, where] of [
      [[at(0, 9), at(4, 2)], 1],
      [[at(0, 1), at(4, 2, 7)], 2],
    ] as const) {
      const [a, b] = run(...ids);
      const read = (): Promise<unknown> => (where === 1 ? a : b).data();
      await expect(read()).rejects.toThrow(`gather: index must be in [0, 4], got another (element ${where}`);
    }
  });

  test('concatenation is one dispatch as far as bindings go', async () => {
    const f: Body = (...xs) => concat(xs, 1);
    const shapes = [3, 4, 8, 1, 5].map((n) => [6, n]);
    expect((await agree(f, shapes))[1]).toBe(1);
    await agree(f, [...shapes, ...shapes]);
    await agree(
      (x, y) => concat([x.transpose(), y], 0),
      [
        [8, 4],
        [4, 8],
      ],
    );
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
