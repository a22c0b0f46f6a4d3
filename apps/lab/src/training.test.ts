import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpu, decodeSafetensors, setDefaultDevice } from '@seq/tensor';
import { requestWebGPU } from '@seq/webgpu-kernels';
import { afterAll, describe, expect, it } from 'vitest';
import { splitText } from './data.js';
import { EXIT, LabError } from './errors.js';
import { recipe, recipeNames } from './recipes.js';
import { trainModel } from './training.js';
import type { ModelResult, TrainingEvent, TrainingJob } from './types.js';
import { loadText } from './text.js';

const folder = mkdtempSync(join(tmpdir(), 'seq-lab-training-'));
const path = join(folder, 'text.txt');
writeFileSync(path, 'the whale and the sea and the ship sail on. '.repeat(60));
const text = loadText({ kind: 'file', path });
const V = splitText(text.text).vocabulary.symbols.length;

function job(name: string, out: string, changes: Partial<TrainingJob> = {}): TrainingJob {
  const sizes = name === '2-gram' ? {} : { dModel: 8, layers: 1 };
  return {
    version: 1,
    text: { kind: 'file', path },
    sha256: text.sha256,
    seed: 5,
    recipe: recipe(name, V, { ...sizes, batch: 2, length: 16, steps: 12 }),
    sample: { prompt: 'the ', characters: 12, temperature: 0.8 },
    validationShare: 0.1,
    created: '2026-11-22T00:00:00.000Z',
    repeat: 'npm run demo',
    out: join(folder, out),
    resume: false,
    ...changes,
  };
}

async function run(
  j: TrainingJob,
  stopAt?: number,
): Promise<{ result: ModelResult | undefined; events: TrainingEvent[] }> {
  const stop = new AbortController();
  const events: TrainingEvent[] = [];
  const result = await trainModel(j, {
    stop: stop.signal,
    onEvent(event) {
      events.push(event);
      if (event.type === 'progress' && event.step === stopAt) stop.abort();
    },
  });
  return { result, events };
}

/** The tensors of a checkpoint as text, to compare bit for bit. */
function tensorsOf(out: string, name: string): string {
  const { tensors } = decodeSafetensors(readFileSync(join(folder, out, `${name}.safetensors`)));
  return Object.keys(tensors)
    .sort()
    .map(
      (key) =>
        `${key} ${tensors[key].dtype} ${tensors[key].shape.join()} ${Buffer.from(tensors[key].data).toString('hex')}`,
    )
    .join('\n');
}

const timeless = ({ seconds: _s, processBytes: _p, ...rest }: ModelResult): object => rest;

describe('trainModel', () => {
  it.each(recipeNames)('trains, measures and lets a small %s write', async (name) => {
    const { result, events } = await run(job(name, 'each'));
    expect(result!.validation).toBeGreaterThan(0);
    expect(result!.validation).toBeLessThan(Math.log(V) + 1);
    expect([...result!.sample]).toHaveLength(12);
    expect(result!.curve.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(result!.curve.at(-1)!.validation).toBeDefined();
    expect(result!.characters).toBe(12 * 2 * 16);
    const { params, trainBytes, trainFlops, stepFlops } = result!.costs;
    // Parameters, both moments and gradients are all alive in a step.
    expect(trainBytes).toBeGreaterThan(4 * params * 3);
    expect(trainFlops).toBeGreaterThan(stepFlops);
    expect(events[0]).toMatchObject({ type: 'started', step: 0, steps: 12 });
    expect(events.filter(({ type }) => type === 'progress')).toHaveLength(12);
  });

  it.each(['gru', 'attention'])('saves a %s when stopped and goes on bit for bit', async (name) => {
    const whole = await run(job(name, 'whole'));
    const first = await run(job(name, 'parts'), 5);
    expect(first.result).toBeUndefined();
    expect(first.events.at(-1)).toEqual({ type: 'saved', step: 5 });
    const second = await run(job(name, 'parts', { resume: true }));
    expect(second.events[0]).toMatchObject({ type: 'started', step: 5 });
    expect(timeless(second.result!)).toEqual(timeless(whole.result!));
    expect(tensorsOf('parts', name)).toBe(tensorsOf('whole', name));
    // And stopping did change the weights' history: at step 5 they were others.
    expect(first.events.find((e) => e.type === 'progress')).toEqual(expect.objectContaining({ step: 1 }));
  });

  it('measures again, and trains no further, when it was stopped after the last step', async () => {
    const first = await run(job('gru', 'late'), 12);
    expect(first.result).toBeUndefined();
    const second = await run(job('gru', 'late', { resume: true }));
    expect(second.events.some(({ type }) => type === 'progress')).toBe(false);
    expect(second.result!.validation).toBeGreaterThan(0);
  });

  it('refuses a checkpoint of another seed and leaves it alone', async () => {
    await run(job('gru', 'foreign'), 3);
    const before = tensorsOf('foreign', 'gru');
    const error = await run(job('gru', 'foreign', { resume: true, seed: 6 })).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).exitCode).toBe(EXIT.input);
    expect((error as LabError).message).toContain('must belong to this run');
    expect(tensorsOf('foreign', 'gru')).toBe(before);
  });

  it('refuses a damaged checkpoint and leaves it alone', async () => {
    await run(job('gru', 'damaged'), 3);
    const file = join(folder, 'damaged', 'gru.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 3] ^= 1;
    writeFileSync(file, bytes);
    await expect(run(job('gru', 'damaged', { resume: true }))).rejects.toThrow('checksum');
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('refuses a text that changed since the run began', async () => {
    await expect(run(job('gru', 'text', { sha256: '0' }))).rejects.toThrow(
      'must be the one that the run began with',
    );
  });
});

describe('trainModel on WebGPU', () => {
  afterAll(() => setDefaultDevice(cpu()));

  it('learns, is measured and writes as on the CPU', { timeout: 120_000 }, async ({ skip }) => {
    if (process.env['SEQ_GPU'] === 'none') skip('no webgpu: SEQ_GPU is none');
    const absent = await requestWebGPU().then(
      (device) => device.dispose(),
      (error: unknown) => (error as Error).message,
    );
    if (typeof absent === 'string') skip(`no webgpu: ${absent}`);
    setDefaultDevice(cpu());
    const want = await run(job('cnn', 'on-cpu'));
    const got = await run(job('cnn', 'on-webgpu', { device: 'webgpu' }));
    expect(got.events[0]).toMatchObject({ type: 'started', adapter: expect.any(String) as string });
    expect(got.result!.validation).toBeCloseTo(want.result!.validation, 3);
    expect([...got.result!.sample]).toHaveLength(12);
  });
});
