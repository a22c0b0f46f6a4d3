// A trained model of a guitar amplifier against what its own program, NeuralAmpModelerCore, recorded.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compile, concat, loadTensors, scan, treeLeaves, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expect, test } from 'vitest';
import { loadWavenetStack } from './load.js';
import type { WavenetConfig } from './load.js';

const shared = process.env['SEQ_SHARED'] ?? resolve(import.meta.dirname, '../../../../../shared');
const folder = join(shared, 'data/models/wavenet-nam-a1');
const absent = !existsSync(join(folder, 'model.safetensors'));
const title = absent ? ` (skipped: ${folder} is absent; SEQ_SHARED names another place)` : '';

function load() {
  const read = (name: string): Uint8Array => readFileSync(join(folder, name));
  const config = JSON.parse(new TextDecoder().decode(read('config.json'))) as WavenetConfig & {
    receptive_field: number;
    params: number;
  };
  const { mixer, params } = loadWavenetStack(config, loadTensors(read('model.safetensors')));
  const recorded = loadTensors(read('ref.safetensors'));
  const [x, y] = ['x', 'y'].map((name) => recorded.get(name)!.reshape([1, -1, 1]));
  return { config, mixer, params, x, y };
}

async function worst(got: Tensor, want: Tensor): Promise<number> {
  expect(got.shape).toEqual(want.shape);
  return got.sub(want).abs().max().item();
}

test.skipIf(absent)(`wavenet-nam-a1 has the size its configuration states${title}`, () => {
  const { config, mixer, params } = load();
  const count = treeLeaves(params).reduce((n, leaf) => n + leaf.size, 0);
  const unread = 8 * 8 + 8; // residual of the very last layer; the file counts head_scale as a parameter
  expect(count + unread + 1).toBe(config.params);
  expect(mixer.reach).toBe(config.receptive_field);
});

test.skipIf(absent)(`wavenet-nam-a1, whole${title}`, { timeout: 60_000 }, async () => {
  const { mixer, params, x, y } = load();
  const silence = zeros([1, mixer.reach!, 1]); // the program was warmed up by silence
  const all = mixer.forward(params, concat([silence, x], 1));
  expect(await worst(all.slice(1, mixer.reach!), y)).toBeLessThan(1e-4);
});

test.skipIf(absent)(`wavenet-nam-a1, sample by sample${title}`, { timeout: 120_000 }, async () => {
  const { mixer, params, x, y } = load();
  let [, state] = mixer.prefill(params, zeros([1, mixer.reach!, 1]), mixer.initState(1));
  const samples = x.shape[1];
  const size = 1024;
  const one = (weights: typeof params, sample: Tensor, from: typeof state): [typeof state, Tensor] => {
    const [out, next] = mixer.step(weights, sample, from);
    return [next, out];
  };
  const fold = compile((weights: typeof params, block: Tensor, from: typeof state) =>
    scan((s: typeof state, sample: Tensor) => one(weights, sample, s), from, block),
  );
  for (let t = 0; t < samples; t += size) {
    const block = x.slice(1, t, t + size).swapAxes(0, 1); // [size, 1, 1]
    const [next, out] = fold(params, block, state);
    state = next;
    expect(await worst(out.swapAxes(0, 1), y.slice(1, t, t + size))).toBeLessThan(1e-4);
  }
});
