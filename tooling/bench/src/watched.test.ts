import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { languageModel } from '@seq/lm';
import { ema } from '@seq/rnn';
import { compile, createCpu, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { requestWebGPU } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';
import type { Contender } from './contender.js';
import { endure, growing } from './endurance.js';
import type { Held } from './endurance.js';
import type { Item } from './items.js';
import { peerCounts } from './peer-counts.js';
import { installWebGPU } from './platform.js';
import { watch } from './watched.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const lm = languageModel({ vocabSize: 5, dModel: 4, mixers: [ema({ dModel: 4 })] });
const gpu = installWebGPU();
const adapter = process.env['SEQ_GPU'] === 'none' ? null : await gpu.requestAdapter();

describe('a device that is watched', () => {
  if (!adapter) {
    test('counts, and lives in constant memory', ({ skip }) => skip('no webgpu adapter'));
    return;
  }

  test('counts what it is asked for, as the device itself does', { timeout: 60_000 }, async () => {
    const watched = watch(gpu);
    const device = await requestWebGPU({ gpu });
    const x = tensor(Float32Array.of(1, 2, 3), { device });
    const f = compile((v: Tensor) => v.mul(2).exp());
    const contender: Contender = {
      name: 'seq',
      comparable: true,
      prepare: async () => ({
        run: async () => {
          const y = f(x);
          await y.realize();
          y.dispose();
        },
        read: async () => new Float32Array(),
        dispose: () => {},
      }),
    };
    const other = { ...contender, name: 'other', prepare: async () => null };
    const item = { name: 'thing', operation: 'softmax', inputs: [], bar: 1 } as Item;
    const { rows, without } = await peerCounts(item, [contender, other], watched);
    expect(rows).toEqual([
      { model: 'thing', library: 'seq', device: 'webgpu', dispatches: 1, submits: 1, newObjects: 0 },
    ]);
    expect(without).toEqual(['other has no thing']);
    const { counters } = device;
    expect([watched.dispatches, watched.submits, watched.bindGroups]).toEqual([
      counters.dispatches,
      counters.submits,
      counters.bindGroups,
    ]);
    const { liveBuffers, liveBytes } = watched;
    expect(liveBuffers).toBeGreaterThan(1);
    device.dispose();
    expect(watched.liveBuffers).toBeLessThan(liveBuffers);
    expect(watched.liveBytes).toBeLessThan(liveBytes);
  });

  test('trains and generates in constant memory', { timeout: 80_000 }, async () => {
    const watched = watch(gpu);
    const device = await requestWebGPU({ gpu });
    const { training, generation } = await endure({
      lm,
      device,
      watched,
      collect,
      looks: 3,
      tokens: 200,
      rows: 4,
      steps: 30,
    });
    expect(growing(training)).toEqual([]);
    expect(growing(generation)).toEqual([]);
    expect(training.at(-1)!.buffers).toBeGreaterThan(0);
  });
});

test('the CPU trains and generates in constant memory', async () => {
  const { training, generation } = await endure({
    lm,
    device: createCpu(),
    collect,
    looks: 3,
    tokens: 1600,
    rows: 8,
    steps: 100,
  });
  expect(growing(training)).toEqual([]);
  expect(growing(generation)).toEqual([]);
});

test('what grows is named', () => {
  const calm: Held = {
    done: 1,
    tensors: 3,
    bytes: 10,
    pooledBytes: 0,
    buffers: 2,
    bufferBytes: 20,
    bindGroups: 5,
    heap: 2 ** 24,
  };
  expect(growing([calm, calm, { ...calm, bytes: 9 }])).toEqual([]);
  expect(growing([calm, { ...calm, bindGroups: 6 }, calm])).toEqual(['bindGroups: 5 → 6']);
  const heavy = { ...calm, heap: 2 ** 25 };
  expect(growing([calm, heavy, heavy, heavy])).toEqual(['heap: 16777216 → 33554432']);
  expect(growing([calm])).toEqual(['looked at once only']);
});
