// A speech detector against what onnxruntime recorded of it on 10 s of speech.
import { compile, concat, stack, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { expect, test } from 'vitest';
import { fetched, worst } from './data.js';
import { hop, sileroVad, sileroVadFromTorch, sileroVadState, sileroVadStep } from './silero-vad.js';
import type { SileroVadParams, SileroVadState } from './silero-vad.js';

const files = fetched('models/silero-vad-v6-16k');
const audio = fetched('audio/speech-16k-10s.wav');
const absent = files.absent || audio.absent;
const note = files.note || audio.note;

/** The samples of a mono WAV file of 16 bits, in [−1, 1): [1, N]. */
function readWav(bytes: Uint8Array): Tensor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
  expect([word(0), word(8)]).toEqual(['RIFF', 'WAVE']);
  for (let at = 12; at < bytes.length; at += 8 + view.getUint32(at + 4, true)) {
    if (word(at) === 'fmt ') {
      const [format, channels] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
      expect([format, channels, view.getUint32(at + 12, true), view.getUint16(at + 22, true)]).toEqual([
        1, 1, 16000, 16,
      ]);
    }
    if (word(at) !== 'data') continue;
    const samples = new Float32Array(view.getUint32(at + 4, true) / 2);
    for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(at + 8 + 2 * i, true) / 32768;
    return tensor(samples, { shape: [1, samples.length] });
  }
  throw new Error('the file has no samples');
}

function load() {
  const { need } = files.tensors('ref.safetensors');
  const probabilities = need('probs').expandDims(0);
  const T = probabilities.shape[1];
  return {
    params: sileroVadFromTorch(files.tensors('model.safetensors')),
    samples: readWav(audio.bytes()).slice(1, 0, T * hop), // what is left is no whole hop
    probabilities,
    first: need('state_after_first'),
    last: need('state_final'),
  };
}

const cells = ({ lstm: { h, c } }: SileroVadState): Tensor => stack([h, c]);

test.skipIf(absent)(`silero-vad-v6-16k, whole${note}`, async () => {
  const { params, samples, probabilities, last } = load();
  const [got, state] = sileroVad(params, samples, sileroVadState(1));
  expect(await worst(got, probabilities)).toBeLessThan(2e-6);
  expect(await worst(cells(state), last, 'relative')).toBeLessThan(1e-5);
});

test.skipIf(absent)(`silero-vad-v6-16k, hop by hop${note}`, async () => {
  const { params, samples, probabilities, first, last } = load();
  const step = compile((p: SileroVadParams, s: Tensor, from: SileroVadState) => sileroVadStep(p, s, from));
  let state = sileroVadState(1);
  const steps: Tensor[] = [];
  for (let t = 0; t < probabilities.shape[1]; t++) {
    const [p, next] = step(params, samples.slice(1, t * hop, (t + 1) * hop), state);
    if (t === 0) expect(await worst(cells(next), first)).toBeLessThan(2e-6);
    steps.push(p);
    state = next;
  }
  expect(await worst(stack(steps, 1), probabilities)).toBeLessThan(2e-6);
  expect(await worst(cells(state), last, 'relative')).toBeLessThan(1e-5);
});

test.skipIf(absent)(`silero-vad-v6-16k, in pieces of several hops, two streams at once${note}`, async () => {
  const { params, samples, probabilities } = load();
  const both = concat([samples, samples.mul(0)]);
  let state = sileroVadState(2);
  const pieces: Tensor[] = [];
  let t = 0;
  for (const hops of [1, 2, 60, 249]) {
    const [p, next] = sileroVad(params, both.slice(1, t * hop, (t + hops) * hop), state);
    pieces.push(p);
    state = next;
    t += hops;
  }
  const got = concat(pieces, 1);
  expect(await worst(got.slice(0, 0, 1), probabilities)).toBeLessThan(2e-6);
  expect(await got.at(1).max().item()).toBeLessThan(0.05); // silence
});
