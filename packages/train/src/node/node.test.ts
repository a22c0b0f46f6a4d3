import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadCheckpoint, saveCheckpoint, writeFileAtomically } from './index.js';

let folder = '';
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'seq-checkpoint-'))));
afterAll(() => rm(folder, { recursive: true }));

const checkpoint = (step: number): { params: { w: Tensor }; step: number; spec: unknown } => ({
  params: { w: tensor([step, 2, 3]) },
  step,
  spec: { kind: 'test' },
});

test('a checkpoint is written whole, replaces the older one, and leaves nothing else', async () => {
  const path = join(folder, 'a.safetensors');
  await saveCheckpoint(path, checkpoint(1));
  await saveCheckpoint(path, checkpoint(2));
  const back = await loadCheckpoint<{ w: Tensor }>(path, { spec: { kind: 'test' } });
  expect(back.step).toBe(2);
  expect(await back.params.w.toArray()).toEqual([2, 2, 3]);
  expect(await readdir(folder)).toEqual(['a.safetensors']);
});

test('what fails to be written leaves the old file as it was', async () => {
  const path = join(folder, 'a.safetensors');
  const before = await readFile(path);
  await expect(saveCheckpoint(path, { ...checkpoint(3), params: { f: Symbol('no') } })).rejects.toThrow(
    FormatError,
  );
  await expect(saveCheckpoint(join(folder, 'missing', 'b'), checkpoint(3))).rejects.toThrow(/ENOENT/);
  await expect(writeFileAtomically(folder, new Uint8Array(3))).rejects.toThrow(
    /EISDIR|EPERM|EEXIST|ENOTEMPTY/,
  );
  expect(await readFile(path)).toEqual(before);
  expect(await readdir(folder)).toEqual(['a.safetensors']);
});

test('several writers at once: the file is one of theirs', async () => {
  const path = join(folder, 'c.safetensors');
  await Promise.all([1, 2, 3, 4].map((step) => saveCheckpoint(path, checkpoint(step))));
  expect([1, 2, 3, 4]).toContain((await loadCheckpoint(path)).step);
});

test('missing, cut and foreign files are named', async () => {
  const path = join(folder, 'b.safetensors');
  await expect(loadCheckpoint(path)).rejects.toThrow(FormatError);
  await expect(loadCheckpoint(path)).rejects.toThrow(/must be readable, got ENOENT/);
  await expect(loadCheckpoint(folder)).rejects.toThrow(/EISDIR/);
  await saveCheckpoint(path, checkpoint(1));
  await truncate(path, 100);
  await expect(loadCheckpoint(path)).rejects.toThrow(/b\.safetensors: decodeSafetensors: .*cut short/);
  await writeFile(path, 'Call me Ishmael.');
  await expect(loadCheckpoint(path)).rejects.toThrow(FormatError);
});
