import { compile, scope, tensor, treeEntries } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { createCpu } from '@seq/tensor';
import { adam, adamw, clipByGlobalNorm, globalNorm } from '@seq/train';
import type { Optimizer } from '@seq/train';
import { describe, expect, test } from 'vitest';
import {
  floorTestDevice,
  besideDevice,
  random,
  testDevice,
} from '../../../packages/webgpu-kernels/src/testkit.js';

// Updates of many parameters on WebGPU against the CPU: whole fours and not, more tensors than a dispatch may bind.

const shapes = [[3], [64, 4], [1], [127], [5, 5], [0], [1000], [16, 3], [8], [4, 4, 4], [2], [40, 100]];

function tree(device: Device, seed: number, scale: number): Tensor[] {
  return shapes.map((shape, k) => {
    const next = random(seed + k);
    const n = shape.reduce((a, b) => a * b, 1);
    return tensor(
      Float32Array.from({ length: n }, () => scale * (2 * next() - 1)),
      { device, shape },
    );
  });
}

async function follow(device: Device, optimizer: Optimizer): Promise<number[][]> {
  const decay = tree(device, 1, 1);
  let [params, state] = [decay, optimizer.init(decay)];
  for (let step = 0; step < 3; step++) {
    const [grads] = clipByGlobalNorm(tree(device, 100 * (step + 1), 3), 1);
    const enabled = tensor(Number(step !== 1), { dtype: 'bool', device });
    [params, state] = optimizer.update(params, grads, state, { enabled });
  }
  return Promise.all(
    [...params, ...treeEntries(state).map(([, t]) => t)].map(async (t) => [...(await t.data())]),
  );
}

const close = (got: readonly number[], want: readonly number[], tolerance: number): void => {
  expect(got.length).toBe(want.length);
  got.forEach((v, i) =>
    expect(Math.abs(v - want[i])).toBeLessThanOrEqual(tolerance * (1 + Math.abs(want[i]))),
  );
};

describe.each([
  ['this adapter', testDevice],
  ['this adapter as a GPU', () => besideDevice({ assumeGpu: true })],
  ['a device at the floor', floorTestDevice],
])('on %s', (_name, open) => {
  test.each([
    [
      'adamw',
      adamw({ lr: 0.1, weightDecay: 0.1, decayMask: (p) => (p as unknown[]).map((_t, i) => i % 2 === 0) }),
    ],
    ['adam, climbing', adam({ lr: 0.01, weightDecay: 0.1, maximize: true })],
    ['amsgrad', adamw({ lr: 0.1, amsgrad: true })],
    ['without momentum', adamw({ lr: 0.1, betas: [0, 0.99] })],
  ])('%s', async (_rule, optimizer) => {
    const want = await follow(createCpu(), optimizer);
    const got = await follow(await open(), optimizer);
    got.forEach((values, i) => close(values, want[i], 2e-5));
  });

  test('amsgrad in a plan, in place', async () => {
    const values = async (device: Device): Promise<number[][]> => {
      const optimizer = adam({ lr: 0.1, amsgrad: true, weightDecay: 0.1 });
      const update = compile(
        (params: Tensor[], state: ReturnType<Optimizer['init']>, grads: Tensor[]) =>
          optimizer.update(params, grads, state),
        { donate: [0, 1] },
      );
      const first = tree(device, 1, 1);
      let [params, state] = [first, optimizer.init(first)];
      for (let step = 0; step < 3; step++) [params, state] = update(params, state, tree(device, step + 5, 1));
      const all = [...params, ...treeEntries(state).map(([, t]) => t)];
      return Promise.all(all.map(async (t) => [...(await t.data())]));
    };
    const want = await values(createCpu());
    (await values(await open())).forEach((got, i) => close(got, want[i], 2e-5));
  });

  test('few dispatches', async () => {
    const device = await open();
    const { storageBuffers } = device.limits;
    const [params, grads] = [tree(device, 1, 1), tree(device, 2, 1)];
    const optimizer = adamw();
    const state = optimizer.init(params);
    await Promise.all([...params, ...grads, ...treeEntries(state).map(([, t]) => t)].map((t) => t.realize()));
    const before = device.counters.kernels;
    const norm = globalNorm(grads);
    await norm.item();
    // As many tensors as are bound beside the partial sums, their total, the root.
    expect(device.counters.kernels - before).toBe(Math.ceil(shapes.length / (storageBuffers - 1)) + 2);
  });

  test('the norm: what is not finite shows, nothing at all is nothing', async () => {
    const device = await open();
    const of = (...rows: number[][]): Promise<number> =>
      scope(() => globalNorm(rows.map((r) => tensor(Float32Array.from(r), { device })))).item();
    expect(await of([3, 0], [4, 0, 0, 0], [12])).toBe(13);
    expect(await of([])).toBe(0);
    expect(await of([1, NaN])).toBeNaN();
    expect(await of([1, -Infinity], [2])).toBe(Infinity);
  });
});
