import type { Tensor } from '@seq/tensor';
import { compile, explain, MemoryError, profile, scan, tensor, zeros } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { createRecording } from './recording.js';
import { freshDevice, testDevice } from './testkit.js';

const work = (x: Tensor, y: Tensor): Tensor => {
  const a = x.softmax(-1).add(y);
  const b = a.sum(0, { keepDims: true }).exp();
  return a.mul(b).max(-1);
};

describe('a plan on WebGPU', () => {
  test('knows its peak bytes, to the byte', () => {
    for (const shape of [
      [3, 5],
      [200, 129],
    ]) {
      const { device, recorded } = createRecording();
      const inputs = [zeros(shape, { device }), zeros(shape, { device })] as const;
      device.flush();
      const run = compile(work);
      const plan = run.plan(...inputs);
      expect(device.memory().bytes).toBe(plan.inputBytes);
      device.resetPeak();
      const before = recorded.liveBytes - device.memory().pooledBytes;
      const y = run(...inputs);
      expect(device.memory().peakBytes).toBe(plan.peakBytes);
      // What the pool counts is what was asked of the GPU.
      expect(recorded.liveBytes - device.memory().pooledBytes - before).toBe(
        plan.peakBytes - plan.inputBytes,
      );
      y.dispose();
    }
  });

  test('is refused before it runs when it exceeds the budget', async () => {
    const device = await freshDevice();
    const x = zeros([64, 64], { device });
    const run = compile(work, { memoryBudget: 10_000 });
    expect(() => run(x, x)).toThrow(MemoryError);
    expect(() => run(x, x)).toThrow(/the plan must fit memoryBudget = 10000 bytes, it needs \d+/);
    device.dispose();
  });

  test('is refused before it runs when a block exceeds what the device binds', () => {
    const { device } = createRecording({ limits: { bindingBytes: 65_536 } });
    const x = zeros([64, 64], { device });
    const run = compile((y: Tensor) => y.expandDims(0).add(y.expandDims(1)).softmax(-1).sum());
    expect(() => run(x)).toThrow(MemoryError);
    expect(() => run(x)).toThrow(
      /every block of the plan must fit the 65536 bytes that recording binds at once, one needs \d+/,
    );
    expect(x.sum().shape).toEqual([]);
  });

  test('counts dispatches as they are submitted: kernels side by side once, long sums twice, loops by their steps', async () => {
    const { device, recorded } = createRecording();
    const f = (x: Tensor, y: Tensor): Tensor[] => [
      x.exp().sum(1),
      y.tanh(),
      ...scan((c: Tensor, v: Tensor) => [c.mul(0.5).add(v), c.softmax(-1)] as const, x.at(0), x),
    ];
    const xs = [zeros([5, 20_000], { device }), zeros([7], { device })] as const;
    const run = compile(f);
    for (let round = 0; round < 2; round++) {
      await Promise.all(xs.map((x) => x.realize()));
      const { dispatches } = recorded;
      await Promise.all(run(...xs).map((y) => y.realize()));
      const counted = recorded.dispatches - dispatches;
      expect([run.plan(...xs).dispatches, explain(f, ...xs).dispatches]).toEqual([counted, counted]);
      expect(counted).not.toBe(run.plan(...xs).runs);
    }
  });

  test('is timed dispatch by dispatch where the adapter has a clock', async () => {
    const device = await testDevice();
    const run = compile((x: Tensor, y: Tensor) => [work(x, y), x.matmul(y.transpose())], { donate: [0] });
    const data = Float32Array.from({ length: 64 * 64 }, (_, i) => Math.sin(i));
    const xs = [0, 1].map(() => tensor(data, { device, shape: [64, 64] })) as [Tensor, Tensor];
    const timed = await profile(run, ...xs);
    expect(await xs[0].data()).toEqual(data); // given away to the function, but not by profile
    if (device.gpu.features.has('timestamp-query')) {
      expect(timed.times!.reduce((n, d) => n + d.count, 0)).toBe(timed.dispatches);
      expect(timed.milliseconds).toBeGreaterThan(0);
      expect(String(timed)).toMatch(/matmul\S* +×1 +\d+\.\d{3}\n/);
    } else expect(timed.times).toBe(null);
    expect(String(timed)).toContain(String(run.plan(...xs)));
    run.dispose();
  });

  test('runs a loop with one set of pipelines and bind groups for any number of steps', async () => {
    const device = await freshDevice();
    const sums = compile((x: Tensor) =>
      scan((c: Tensor, v: Tensor) => [c.mul(0.5).add(v), c.exp()] as const, x.at(0), x),
    );
    const run = async (T: number): Promise<number[]> => {
      const data = Float32Array.from({ length: T * 3 }, (_, i) => Math.sin(i));
      const x = tensor(data, { device, shape: [T, 3] });
      const [last, ys] = sums(x);
      const result = [...(await last.data()), ...(await ys.data())];
      for (const t of [x, last, ys]) t.dispose();
      return result;
    };
    const short = await run(8);
    const { pipelines } = device.counters;
    await run(64);
    expect(device.counters.pipelines).toBe(pipelines);
    for (let i = 0; i < 2; i++) await run(8);
    const { bindGroups, allocations } = device.counters;
    expect(await run(8)).toEqual(short);
    expect(device.counters.bindGroups).toBe(bindGroups);
    expect(device.counters.allocations).toBe(allocations);
    let c = [Math.sin(0), Math.sin(1), Math.sin(2)];
    for (let t = 0; t < 8; t++) c = c.map((v, i) => v * 0.5 + Math.sin(3 * t + i));
    c.forEach((v, i) => expect(short[i]).toBeCloseTo(v, 5));
    device.dispose();
  });
});
