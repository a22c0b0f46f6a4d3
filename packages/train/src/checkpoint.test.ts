import { languageModel, languageModelFromSpec } from '@seq/lm';
import { gru } from '@seq/rnn';
import {
  createCpu,
  encodeSafetensors,
  FormatError,
  loadTensors,
  SeqError,
  SpecError,
  tensor,
  treeEntries,
} from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { adamw } from './adam.js';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.js';
import { crc32 } from './crc32.js';
import { contiguousStreams, randomCrops } from './data.js';
import type { Batches } from './data.js';
import type { Optimizer } from './optimizer.js';
import { cosine } from './schedules.js';
import { train } from './train.js';
import { checkpointOf, resumeTraining, startTraining } from './training.js';
import type { Training } from './training.js';

const V = 6;
const C = 4;
const lm = languageModel({ vocabSize: V, dModel: C, mixers: [gru({ dModel: C })], dropout: 0.2 });
const text = Array.from({ length: 300 }, (_, i) => (i * i) % V);
const optimizer = (): Optimizer => adamw({ lr: cosine({ peak: 0.02, total: 30 }), amsgrad: true });

async function values(tree: unknown): Promise<Record<string, unknown>> {
  return Object.fromEntries(
    await Promise.all(
      treeEntries(tree).map(async ([path, t]) => [path, [t.dtype, t.shape, [...(await t.data())]]] as const),
    ),
  );
}

async function trained(data: Batches, steps: number): Promise<Training<ReturnType<typeof lm.init>, unknown>> {
  const training = startTraining(lm, optimizer(), { seed: 5 });
  await train(lm, training, { data, optimizer: optimizer(), steps });
  return training;
}

const save = (t: Training<ReturnType<typeof lm.init>, unknown>): Promise<Uint8Array<ArrayBuffer>> =>
  encodeCheckpoint(checkpointOf(lm, t, { vocabulary: ['a', 'ü', '"'], note: null }));

describe('round trip', () => {
  test('all of it comes back, on another device too', async () => {
    const training = await trained(contiguousStreams(text, { B: 2, T: 5 }), 3);
    const device = createCpu();
    const back = decodeCheckpoint(await save(training), {
      spec: lm.spec,
      like: { params: training.params, optState: training.optState },
      device,
    });
    expect(await values(back.params)).toEqual(await values(training.params));
    expect(await values(back.optState)).toEqual(await values(training.optState));
    expect(await values(back.stream)).toEqual(await values(training.stream));
    expect(await values(back.keys)).toEqual(await values({ key: training.key }));
    expect(back.step).toBe(3);
    expect(back.spec).toEqual(lm.spec);
    expect(back.extra).toEqual({ vocabulary: ['a', 'ü', '"'], note: null });
    expect(treeEntries(back.params).every(([, t]) => t.device === device)).toBe(true);
  });

  test('any safetensors reader can read it', async () => {
    const training = await trained(randomCrops(text, { B: 2, T: 5 }), 1);
    const tensors = loadTensors(await save(training));
    expect(tensors.get('params.embedding.weight')!.shape).toEqual([V, C]);
    expect(tensors.get('optState.step')!.dtype).toBe('i32');
    expect(tensors.get('keys.key')!.dtype).toBe('u32');
  });

  test.each([
    ['crops', (): Batches => randomCrops(text, { B: 2, T: 5, seed: 9 })],
    ['streams', (): Batches => contiguousStreams(text, { B: 2, T: 5 })],
  ])('resumed training continues bit for bit: %s', async (_, data) => {
    const whole = await trained(data(), 11);
    const saved = decodeCheckpoint(await save(await trained(data(), 4)));
    const model = languageModelFromSpec(saved.spec, [gru]);
    const resumed = resumeTraining(model, optimizer(), saved);
    await train(model, resumed, { data: data(), optimizer: optimizer(), steps: 11 });
    expect(await values(resumed)).toEqual(await values(whole));
    expect(resumed.step).toBe(11);
  });

  test('what does not fit cannot be resumed', async () => {
    const saved = decodeCheckpoint(await save(await trained(randomCrops(text, { B: 2, T: 5 }), 1)));
    const other = languageModel({ ...lm.spec, mixers: [gru({ dModel: C, bias: false })] });
    expect(() => resumeTraining(other, optimizer(), saved)).toThrow(SpecError);
    expect(() => resumeTraining(lm, adamw(), saved)).toThrow(/got 'optState\.vMax\..*' as well/);
    expect(() => resumeTraining(lm, optimizer(), { ...saved, optState: undefined })).toThrow(
      /must hold 'optState\.step'/,
    );
    expect(() => resumeTraining(lm, optimizer(), { ...saved, keys: null })).toThrow(/must hold keys\.key/);
    expect(resumeTraining(lm, optimizer(), saved).step).toBe(1);
  });

  test('trees of any kind keep their structure', async () => {
    const params = {
      list: [tensor([1]), { empty: {}, none: null, text: 'x', on: true, count: 3 }, []],
      scalar: tensor(2),
    };
    const bytes = await encodeCheckpoint({ params, step: 0, spec: null });
    const back = decodeCheckpoint<typeof params>(bytes);
    expect(await values(back.params)).toEqual(await values(params));
    expect(back.params.list[1]).toEqual({ empty: {}, none: null, text: 'x', on: true, count: 3 });
    expect(back.params.list[2]).toEqual([]);
    expect([back.optState, back.stream, back.keys, back.spec, back.extra]).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  test('trees that cannot be saved are refused', async () => {
    const one = tensor([1]);
    await expect(
      encodeCheckpoint({ params: { 'a.b': one, a: { b: one } }, step: 0, spec: null }),
    ).rejects.toThrow(/unique, got 'params.a.b' twice/);
    await expect(encodeCheckpoint({ params: { f: () => 1 }, step: 0, spec: null })).rejects.toThrow(
      /'params.f' must be a tensor or JSON/,
    );
    await expect(encodeCheckpoint({ params: { d: new Date() }, step: 0, spec: null })).rejects.toThrow(
      FormatError,
    );
    await expect(encodeCheckpoint({ params: one, step: -1, spec: null })).rejects.toThrow(
      /step must be an integer ≥ 0, got -1/,
    );
  });
});

describe('files that are not what they should be', () => {
  const saved = trained(randomCrops(text, { B: 2, T: 5 }), 1).then(save);

  test('every truncation and every damaged byte is a FormatError', async () => {
    const bytes = await saved;
    for (let n = 0; n < bytes.length; n += n < 600 ? 1 : 97)
      expect(() => decodeCheckpoint(bytes.subarray(0, n))).toThrow(FormatError);
    let padding = 0;
    for (let i = 0; i < bytes.length; i += i < 200 ? 1 : 7) {
      const damaged = bytes.slice();
      damaged[i] ^= 1 << (i % 8);
      try {
        decodeCheckpoint(damaged);
        padding++; // a blank of the header that became another blank
        expect(bytes[i]).toBe(0x20);
      } catch (error) {
        expect(SeqError.is(error, 'format'), `byte ${i}: ${String(error)}`).toBe(true);
      }
    }
    expect(padding).toBeLessThan(8);
  });

  test('files of another kind', async () => {
    const plain = encodeSafetensors({ w: { dtype: 'F32', shape: [1], data: new Uint8Array(4) } });
    expect(() => decodeCheckpoint(plain)).toThrow(
      /format 'seq-checkpoint-1', got none.*read it with loadTensors/,
    );
    expect(() => decodeCheckpoint(encodeSafetensors({}, { format: 'pt' }))).toThrow(/got 'pt'/);
    expect(() =>
      decodeCheckpoint(new TextEncoder().encode('PK\u0003\u0004 a zip file of some kind')),
    ).toThrow(FormatError);
  });

  test('another model', async () => {
    const bytes = await saved;
    const wider = languageModel({
      vocabSize: V,
      dModel: C,
      mixers: [gru({ dModel: C, hiddenDim: 5 })],
      dropout: 0.2,
    });
    expect(() => decodeCheckpoint(bytes, { spec: wider.spec })).toThrow(SpecError);
    expect(() => decodeCheckpoint(bytes, { spec: wider.spec })).toThrow(
      /spec\.mixers\.0\.options\.hiddenDim is 4 there and 5 here/,
    );
    const like = { params: wider.init(tensor(Uint32Array.of(0, 1))) };
    expect(() => decodeCheckpoint(bytes, { like })).toThrow(
      /'params\.blocks\.0\.mixer\.weightIh' must be f32 \[15, 4\], got f32 \[12, 4\]/,
    );
    const deeper = languageModel({
      vocabSize: V,
      dModel: C,
      mixers: [gru({ dModel: C }), gru({ dModel: C })],
    });
    expect(() =>
      decodeCheckpoint(bytes, { like: { params: deeper.init(tensor(Uint32Array.of(0, 1))) } }),
    ).toThrow(/must hold 'params\.blocks\.1/);
    expect(() => decodeCheckpoint(bytes, { like: { params: {} } })).toThrow(/as well/);
  });

  test('a refused file leaves no tensors behind', async () => {
    const device = createCpu();
    const bytes = await saved;
    expect(() => decodeCheckpoint(bytes, { like: { params: {} }, device })).toThrow(FormatError);
    expect(device.memory().tensors).toBe(0);
  });
});

test('crc32 is that of zip files', () => {
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  expect(crc32(new TextEncoder().encode('6789'), crc32(new TextEncoder().encode('12345')))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});
