import type { Op, Tensor } from '@seq/tensor';
import { apply1, compile, defineOp, IndexError, NumericsError, SeqError, tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { mapForReading, usage } from './constants.js';
import { requestFaulty } from './fault.js';
import type { GpuBlock } from './memory.js';
import { createRecording } from './recording.js';
import { requestWebGPU } from './request.js';
import { besideDevice, freshDevice, testDevice } from './testkit.js';
import { grid, memo, reads, shader, writes } from './wgsl/index.js';

const scaleShader = memo((alias) =>
  shader({
    name: 'test/scale',
    operands: [reads('x', 'f32', 0), writes('y', 'f32', 1)],
    params: { n: 'u32', factor: 'f32' },
    workgroup: 64,
    alias: JSON.parse(alias) as number[],
    main: 'if (linear < p.n) { set_y(linear, p.factor * x(linear)); }',
  }),
);

/** y = factor · x: an op of our own, with nothing but a GPU kernel. */
const scaleOp: Op<{ factor: number }> = defineOp({
  name: 'scale',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  webgpu: {
    inplace: [[0, 0]],
    variants: [
      {
        name: 'linear',
        supports: () => true,
        plan: ({ inputs: [x], attrs: { factor }, alias }) => {
          const n = x.shape.reduce((a, b) => a * b, 1);
          const s = scaleShader(JSON.stringify(alias));
          return { passes: [{ shader: s, params: [n, factor], workgroups: grid(n, 64) }] };
        },
      },
    ],
  },
});
const scale = (x: Tensor, factor: number): Tensor => apply1(scaleOp, [x], { factor });

const positiveShader = memo(() =>
  shader({
    name: 'test/positive',
    operands: [reads('x', 'f32', 0), writes('y', 'f32', 1)],
    params: { n: 'u32' },
    workgroup: 64,
    reports: true,
    main: `if (linear >= p.n) { return; }
  let v = x(linear);
  if (v < 0.0) { report(linear); }
  set_y(linear, v);`,
  }),
);

/** y = x, and bad data where x < 0. */
const positiveOp: Op<null> = defineOp<null>({
  name: 'positive',
  throws: true,
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  webgpu: {
    error: (_, element) => new IndexError(`positive: x must be ≥ 0, element ${element} is not.`),
    variants: [
      {
        name: 'linear',
        supports: () => true,
        plan: ({ inputs: [x] }) => ({
          passes: [{ shader: positiveShader(''), params: [x.shape[0]], workgroups: grid(x.shape[0], 64) }],
        }),
      },
    ],
  },
});

const badOp: Op<null> = defineOp<null>({
  name: 'bad',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  webgpu: {
    variants: [
      {
        name: 'does not compile',
        supports: () => true,
        plan: () => ({
          passes: [
            {
              shader: shader({
                name: 'test/bad',
                operands: [reads('x', 'f32', 0), writes('y', 'f32', 1)],
                workgroup: 1,
                main: 'set_y(0u, nonsense);',
              }),
              params: [],
              workgroups: [1, 1, 1],
            },
          ],
        }),
      },
    ],
  },
});

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    expect(SeqError.is(error), String(error)).toBe(true);
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('a WebGPU device', () => {
  test('holds tensors of every type it has and gives them back', async () => {
    const device = await testDevice();
    const f = tensor(Float32Array.of(1.5, -2, 3), { device });
    expect(await f.data()).toEqual(Float32Array.of(1.5, -2, 3));
    const i = tensor(Int32Array.of(-7, 8), { device });
    expect(await i.data()).toEqual(Int32Array.of(-7, 8));
    const b = tensor(Uint8Array.of(1, 0, 1), { device, dtype: 'bool' });
    expect(await b.data()).toEqual(Uint8Array.of(1, 0, 1));
    expect(() => tensor(Float64Array.of(1), { device, dtype: 'f64' })).toThrow(/WebGPU has no f64/);
  });

  test('runs an op of anybody, in order, over any number of windows', async () => {
    const device = await testDevice();
    let x = tensor(Float32Array.of(1, 2, 3), { device });
    for (let i = 0; i < 1200; i++) x = scale(x, i % 2 === 0 ? 2 : 0.5);
    expect(await x.data()).toEqual(Float32Array.of(1, 2, 3));
    // Recycled memory is written in order with what is still recorded.
    const y = scale(tensor(Float32Array.of(5), { device }), 2);
    expect(await y.item()).toBe(10);
  });

  test('reads and runs from any place of a storage', async () => {
    const device = await testDevice();
    const x = tensor(
      Float32Array.from({ length: 10 }, (_, i) => i),
      { device },
    );
    expect(await x.slice(0, 3, 7).data()).toEqual(Float32Array.of(3, 4, 5, 6));
    expect(await scale(x.slice(0, 3, 7), 10).data()).toEqual(Float32Array.of(30, 40, 50, 60));
  });

  test('says which data were bad, and where the operation was recorded', async () => {
    const device = await testDevice();
    const x = tensor(Float32Array.of(1, 2, -3, -4), { device });
    const y = apply1(positiveOp, [x], null);
    const later = scale(y, 2);
    const error = await rejection(y.data());
    expect(error.message).toMatch(
      /positive: x must be ≥ 0, element 2 is not\. Recorded at .*device\.test\.ts/,
    );
    expect(SeqError.is(error, 'index')).toBe(true);
    expect((await rejection(later.data())).message).toMatch(/positive: x must be/);
    // What came before lives on, and so does the device.
    expect(await scale(x, 2).data()).toEqual(Float32Array.of(2, 4, -6, -8));
    expect(await apply1(positiveOp, [tensor(Float32Array.of(7), { device })], null).item()).toBe(7);
  });

  test('names the op whose shader is refused', async () => {
    const device = await freshDevice();
    const error = await rejection(apply1(badOp, [tensor(Float32Array.of(1), { device })], null).data());
    expect(error.message).toMatch(/test\/bad.*nonsense.*Recorded at .*device\.test\.ts/s);
    device.dispose();
  });

  test('names the kernel that makes a number that is none', async () => {
    const device = await freshDevice({ checkNumerics: true });
    const x = tensor(Float32Array.of(1, 3e38), { device });
    const error = await rejection(scale(x, 2).data());
    expect(error).toBeInstanceOf(NumericsError);
    expect(error.message).toMatch(/scale: values must be finite, element 1 of \[2\] is not/);
    device.dispose();
  });

  test('replays plans on donated memory with one submission and no new object', async () => {
    const device = await freshDevice();
    const step = compile((x: Tensor) => scale(scale(scale(x, 2), 3), 0.25), { donate: [0] });
    let x = tensor(Float32Array.of(1, 2), { device });
    for (let i = 0; i < 3; i++) x = step(x);
    await x.realize();
    const before = { ...device.counters };
    for (let i = 0; i < 4; i++) x = step(x);
    const after = device.counters;
    expect(after.submits - before.submits).toBe(4);
    expect(after.allocations - before.allocations).toBe(0);
    expect(after.bindGroups - before.bindGroups).toBe(0);
    expect(after.pipelines - before.pipelines).toBe(0);
    expect(await x.data()).toEqual(Float32Array.of(1.5 ** 7, 2 * 1.5 ** 7));
    device.dispose();
  });

  test('reads several values with one submission', async () => {
    const device = await freshDevice();
    const x = tensor(Float32Array.of(1, 2), { device });
    await x.realize();
    const before = device.counters.submits;
    const [a, b] = await Promise.all([scale(x, 2).data(), scale(x, 3).data()]);
    expect([...a, ...b]).toEqual([2, 4, 3, 6]);
    expect(device.counters.submits - before).toBe(1);
    device.dispose();
  });

  test('refuses a tensor beyond its limits at once', async () => {
    const device = await freshDevice({ floor: true });
    const x = tensor(Float32Array.of(1), { device });
    const huge = scale(x.broadcastTo([2 ** 26]), 2);
    const error = await rejection(huge.data());
    expect(error.message).toMatch(/must fit one binding of 134217728 bytes .* it needs 268435456/);
    device.dispose();
  });

  test('tells of a lost device, at once and ever after', async () => {
    const { device } = await requestFaulty({ loseAtSubmit: 2 });
    const x = tensor(Float32Array.of(1), { device });
    expect(await scale(x, 2).item()).toBe(2);
    const error = await rejection(scale(x, 3).item());
    expect(error.message).toMatch(/the device faulty webgpu must stay, it was lost/);
    expect(() => scale(x, 3)).toThrow(/it was lost/);
    expect((await rejection(x.data())).message).toMatch(/it was lost/);
    expect(() => tensor(Float32Array.of(1), { device })).toThrow(/it was lost/);
    device.dispose();
  });

  test('tells of memory that the driver refuses, and goes on', async () => {
    const { device, faults } = await requestFaulty({});
    const x = tensor(Float32Array.of(1, 2, 3), { device });
    await x.realize();
    faults.refuseBuffer = 1;
    const y = scale(x, 2);
    const error = await rejection(y.data());
    expect(SeqError.is(error, 'memory'), error.message).toBe(true);
    expect(error.message).toMatch(/the driver must grant 256 bytes, it refused/);
    expect((await rejection(y.data())).message).toMatch(/it refused/);
    expect(await x.data()).toEqual(Float32Array.of(1, 2, 3));
    expect(await scale(x, 2).data()).toEqual(Float32Array.of(2, 4, 6));
    device.dispose();
  });

  test('fills memory with NaN when it is told to', async () => {
    const device = await besideDevice({ poison: true });
    const { gpu, counters } = device;
    const isSpoiled = async ({ buffer, bytes }: GpuBlock): Promise<void> => {
      const read = gpu.createBuffer({ size: bytes, usage: usage.mapRead | usage.copyTarget });
      const encoder = gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, read, 0, bytes);
      gpu.queue.submit([encoder.finish()]);
      await read.mapAsync(mapForReading);
      expect(new Uint32Array(read.getMappedRange()).every((word) => word === 0x7fff_ffff)).toBe(true);
    };
    const fresh = device.allocate('f32', 4);
    expect(fresh.bytes).toBe(256);
    await isSpoiled(fresh);
    // A block of more than 64 KiB that is lent again before anything is submitted.
    const x = tensor(new Float32Array(20_000).fill(3), { device });
    await x.realize();
    const { submits, allocations } = counters;
    const y = scale(x, 2);
    const z = scale(y, 2);
    y.dispose();
    device.flush();
    const again = device.allocate('f32', 20_000);
    expect(counters.allocations - allocations).toBe(2);
    expect((await z.data())[19_999]).toBe(12);
    expect(counters.submits - submits).toBe(1);
    await isSpoiled(again);
    device.dispose();
  });

  test('is silent after it was disposed of, but for an error that says so', async () => {
    const device = await freshDevice({ name: 'mine' });
    const x = tensor(Float32Array.of(1), { device });
    device.dispose();
    device.dispose();
    expect((await rejection(x.data())).message).toMatch(/the device mine was disposed of/);
  });

  test('several on one GPUDevice share kernels, keep memory and errors apart, and leave it alive', async () => {
    const one = await freshDevice();
    const [two, three] = await Promise.all([
      requestWebGPU({ device: one.gpu, name: 'two', poison: true }),
      requestWebGPU({ device: one.gpu, name: 'three', floor: true }),
    ]);
    expect(two.limits).toEqual(one.limits);
    expect([three.limits.storageBuffers, three.limits.f16, three.limits.subgroupSize]).toEqual([8, false, 0]);
    const x = [one, two].map((device) => tensor(Float32Array.of(1, -2), { device }));
    expect(await scale(x[0], 2).data()).toEqual(Float32Array.of(2, -4));
    const { pipelines } = one.counters;
    const [bad, good] = await Promise.all([
      rejection(apply1(positiveOp, [x[1]], null).data()),
      scale(x[0], 3).data(),
    ]);
    expect(bad.message).toMatch(/element 1/);
    expect(good).toEqual(Float32Array.of(3, -6));
    expect(await scale(x[1].abs(), 3).data()).toEqual(Float32Array.of(3, 6));
    expect(one.counters.pipelines - pipelines).toBe(2); // positive and abs, none again for what both run
    // An error of whoever else uses the device is not theirs.
    const quiet = await freshDevice();
    const guest = await requestWebGPU({ device: quiet.gpu });
    const kept = tensor(Float32Array.of(5), { device: guest });
    quiet.gpu.createBuffer({ size: 4, usage: 0xffff });
    await quiet.gpu.queue.onSubmittedWorkDone();
    expect(await scale(kept, 2).item()).toBe(10);
    quiet.dispose();

    const { bytes } = one.memory();
    two.dispose();
    expect(one.memory().bytes).toBe(bytes);
    expect(await scale(x[0], 4).data()).toEqual(Float32Array.of(4, -8));
    one.dispose();
    expect(() => tensor(Float32Array.of(1), { device: two })).toThrow(/two was disposed of/);
  });

  test('counts on a recording device what it would ask of a GPU', async () => {
    const { device, recorded } = createRecording();
    const step = compile((x: Tensor) => scale(scale(x, 2), 3), { donate: [0] });
    let x = tensor(Float32Array.of(1, 2), { device });
    for (let i = 0; i < 2; i++) x = step(x);
    await x.realize();
    const before = { ...recorded };
    x = step(x);
    await x.realize();
    expect(recorded.dispatches - before.dispatches).toBe(2);
    expect(recorded.submits - before.submits).toBe(1);
    for (const what of ['buffers', 'bindGroups', 'pipelines', 'shaderModules'] as const) {
      expect(recorded[what] - before[what], what).toBe(0);
    }
    expect(await x.data()).toEqual(Float32Array.of(0, 0));
  });
});
