// A cache of keys and values that flash attention looks into: written where it lies, never copied.
import { attention } from '@seq/attention';
import type { AttentionState } from '@seq/attention';
import { flashAttention } from '@seq/flash';
import { compile, createCpu, explain, key, normal, treeLeaves, zeros } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { createRecording, loadKernels } from '@seq/webgpu-kernels';
import { describe, expect, test } from 'vitest';

await loadKernels();

const slots = 4096;
const mixer = attention({ dModel: 64, numHeads: 4, numKvHeads: 2, core: flashAttention });
type Params = ReturnType<typeof mixer.init>;

const calls = {
  step: compile((p: Params, x: Tensor, s: AttentionState) => mixer.step(p, x, s), { donate: [2] }),
  prefill: compile((p: Params, x: Tensor, s: AttentionState) => mixer.prefill(p, x, s), { donate: [2] }),
};

const bytesOf = (tree: object): number => treeLeaves(tree).reduce((n, { size }) => n + 4 * size, 0);

describe.each([
  ['CPU', () => createCpu()],
  ['WebGPU', () => createRecording().device],
  ['WebGPU on a program', () => createRecording({ limits: { software: true } }).device],
])('a cache on %s', (_, create) => {
  test.each(['step', 'prefill'] as const)(
    'a compiled %s writes into the cache it was given',
    async (name) => {
      const device: Device = create();
      const params = mixer.init(key(0, { device }), { device });
      const x = zeros(name === 'step' ? [1, 64] : [1, 32, 64], { device });
      const run = calls[name];
      const state = mixer.initState(1, { device, maxLength: slots });
      const cache = bytesOf({ k: state.k, v: state.v });
      const plan = explain(run, params, x, state);
      // Arguments, results and temporaries: the cache once. A copy of keys or values would be half of it more.
      expect(plan.peakBytes - bytesOf(params)).toBeLessThan(1.4 * cache);
      expect(plan.peakBytes).toBeGreaterThan(cache);
      // The same as the device counts it, over several calls.
      await Promise.all([...treeLeaves(params), ...treeLeaves(state), x].map((t) => t.realize()));
      const before = device.memory().bytes;
      let now = state;
      for (let i = 0; i < 4; i++) {
        const [y, next] = run(params, x, now);
        await y.realize();
        y.dispose();
        now = next;
      }
      expect(device.memory().peakBytes - before).toBeLessThan(0.4 * cache);
    },
  );
});

test('a prompt in pieces behind a cache gives what the whole gives', async () => {
  const params = mixer.init(key(0));
  const x = normal(key(1), [2, 300, 64]);
  let state = mixer.initState(2, { maxLength: 300 });
  const whole = mixer.forward(params, x);
  for (const [from, to] of [
    [0, 200],
    [200, 263],
    [263, 264],
    [264, 300],
  ]) {
    const [y, next] = calls.prefill(params, x.slice(1, from, to), state);
    state = next;
    expect(
      await y
        .sub(whole.slice(1, from, to))
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-5);
  }
});
