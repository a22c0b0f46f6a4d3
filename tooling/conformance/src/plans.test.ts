// Compiled training steps on WebGPU, whose parameters and states a plan keeps side by side, against the CPU.
import { attention } from '@seq/attention';
import { bigram } from '@seq/conv';
import { languageModel } from '@seq/lm';
import { cloneTree, compile, createCpu, key, ones, randomInt, treeLeaves } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { adamw, trainStep } from '@seq/train';
import { requestWebGPU } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';

/** Attention has many shaders; SEQ_SLOW compiles them. */
const slow = process.env['SEQ_SLOW'] === '1';
const lm = languageModel({
  vocabSize: 7,
  dModel: 8,
  mixers: slow ? [attention({ dModel: 8, numHeads: 2, rope: true })] : [bigram({ dModel: 8 })],
  feedForward: { hidden: 12 },
});
const optimizer = adamw({ lr: 0.01 });

type Params = ReturnType<typeof lm.init>;

const values = (tree: unknown): Promise<number[][]> =>
  Promise.all(treeLeaves(tree).map(async (t) => [...(await t.data())]));

function close(got: readonly number[][], want: readonly number[][]): void {
  expect(got.map((v) => v.length)).toEqual(want.map((v) => v.length));
  want.forEach((list, i) =>
    list.forEach((v, k) => expect(Math.abs(got[i][k] - v)).toBeLessThanOrEqual(2e-4 * (1 + Math.abs(v)))),
  );
}

/** Two models that take turns through one compiled step; their parameters after three steps each. */
async function alternate(device: Device): Promise<{ ends: number[][][]; kept: number[][] }> {
  const step = trainStep(lm, optimizer);
  const models = [1, 2].map((seed) => {
    const drawn = key(seed, { device });
    const params = lm.init(drawn, { device });
    drawn.dispose();
    return { params, state: optimizer.init(params) };
  });
  let copy: Params | null = null;
  for (let i = 0; i < 3; i++) {
    for (const m of models) {
      const drawn = key(10 + i, { device });
      const tokens = randomInt(drawn, [2, 7], { high: 7 });
      const [params, state, metrics] = step(m.params, m.state, tokens);
      Object.assign(m, { params, state });
      for (const t of [drawn, tokens, ...treeLeaves(metrics)]) t.dispose();
    }
    // A copy outlives the steps after it.
    if (i === 0) copy = cloneTree(models[0].params);
  }
  const ends = [await values(models[0].params), await values(models[1].params)];
  const kept = await values(copy);
  for (const t of [...treeLeaves(models), ...treeLeaves(copy)]) t.dispose();
  step.dispose();
  return { ends, kept };
}

describe('a compiled training step', () => {
  test('of two models in turns gives what it gives on the CPU, and leaves no memory behind', async () => {
    const want = await alternate(createCpu());
    const device = await requestWebGPU({ poison: true, trackLeaks: true, joinDispatches: true });
    const { bytes } = device.memory();
    for (let round = 0; round < 2; round++) {
      const got = await alternate(device);
      got.ends.forEach((end, i) => close(end, want.ends[i]));
      close(got.kept, want.kept);
    }
    expect(device.leaks()).toEqual([]);
    // What is left: a word for each report of bad data.
    expect(device.memory().bytes - bytes).toBeLessThanOrEqual(4096);
    device.dispose();
  });
});

test('what one plan has put side by side, another may write while it reads its neighbour', async () => {
  const values = async (device: Device): Promise<number[][]> => {
    const draw = (value: number): Tensor => ones([300], { device }).mul(value);
    const update = compile(
      (params: Tensor[], state: ReturnType<typeof optimizer.init>, grads: Tensor[]) =>
        optimizer.update(params, grads, state),
      { donate: [0, 1] },
    );
    const first = [draw(1), draw(2), draw(3)];
    const [[x, y, z]] = update(first, optimizer.init(first), [draw(0.5), draw(-0.5), draw(1)]);
    const one = compile((a: Tensor, b: Tensor) => a.add(b.mul(2)), { donate: [0] });
    const two = compile((a: Tensor, b: Tensor): Tensor[] => [a.add(b), b.mul(3)], { donate: [0, 1] });
    const [sum, triple] = two(one(x, y), y);
    return Promise.all([sum, triple, z].map(async (t) => [...(await t.data())]));
  };
  close(await values(await requestWebGPU({ poison: true, joinDispatches: true })), await values(createCpu()));
});
