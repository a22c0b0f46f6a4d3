import { elmanSequence, gruSequence, lstmSequence } from '@seq/rnn';
import { compile, key, normal, split, vjp } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { createRecording, loadKernels } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';

await loadKernels();

// What a layer asks of a GPU, counted exactly on a device that runs nothing.

type Weights = Readonly<Record<string, Tensor>>;

interface Layer {
  readonly gates: number;
  /** Width of the output where it is projected. */
  readonly P?: number;
  run(w: Weights): Tensor;
}

const layers: Readonly<Record<string, Layer>> = {
  elman: { gates: 1, run: (w) => elmanSequence(w['x'], w as never, w)[0] },
  gru: { gates: 3, run: (w) => gruSequence(w['x'], w as never, w)[0] },
  'gru, reset before': {
    gates: 3,
    run: (w) => gruSequence(w['x'], w as never, { ...w, resetAfter: false })[0],
  },
  lstm: { gates: 4, run: (w) => lstmSequence(w['x'], w as never, w)[0] },
  'lstm, projected': { gates: 4, P: 64, run: (w) => lstmSequence(w['x'], w as never, w)[0] },
};

async function count(name: string, T: number, gradient: boolean): Promise<number> {
  const { device, recorded } = createRecording();
  const [B, H] = [2, 256];
  const { gates, P = H, run } = layers[name];
  const keys = split(key(1, { device }), 8);
  const drawn = (i: number, shape: number[]): Tensor => normal(keys[i], shape);
  const weights: Weights = {
    x: drawn(0, [B, T, 64]),
    weightIh: drawn(1, [gates * H, 64]),
    weightHh: drawn(2, [gates * H, P]),
    biasIh: drawn(3, [gates * H]),
    biasHh: drawn(4, [gates * H]),
    h0: drawn(5, [B, P]),
    ...(gates === 4 && { c0: drawn(6, [B, H]) }),
    ...(P < H && { weightHr: drawn(6, [P, H]) }),
  };
  const dy = drawn(7, [B, T, P]);
  const plan = gradient
    ? compile((w: Weights, seed: Tensor) => vjp(run, [w], seed)[1])
    : compile((w: Weights) => run(w));
  const once = async (): Promise<void> => {
    plan(weights, dy);
    device.flush();
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  for (let i = 0; i < 3; i++) await once();
  const before = recorded.dispatches;
  await once();
  const dispatches = recorded.dispatches - before;
  expect(dispatches).toBeGreaterThan(1);
  return dispatches;
}

test.each([
  ['elman', 11],
  ['gru', 12],
  ['gru, reset before', 13],
  ['lstm', 12],
  ['lstm, projected', 15],
])('%s: forward and backward over 1,024 positions take %i dispatches', async (name, most) => {
  expect(await count(name, 1024, true)).toBeLessThanOrEqual(most);
});

test.each([
  ['elman', 3],
  ['gru', 2],
  ['gru, reset before', 4],
  ['lstm', 3],
  ['lstm, projected', 4],
])('%s: one position takes %i dispatches', async (name, most) => {
  expect(await count(name, 1, false)).toBeLessThanOrEqual(most);
});
