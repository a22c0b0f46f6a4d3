import { describe, expect, test } from 'vitest';
import { besideDevice, floorTestDevice, testDevice } from '../testkit.js';
import { verify } from './verify.js';

// A software adapter compiles the designs meant for GPUs for minutes: they come with the laws on WebGPU.
const laws = process.env['SEQ_LAWS'] ?? 'cpu';

describe.skipIf(laws !== 'webgpu')(`webgpu, all designs of a kernel: SEQ_LAWS is ${laws}`, () => {
  const reached = new Set<string>();
  let all: string[] = [];

  test.each([
    ['this adapter', testDevice],
    ['a device at the floor', floorTestDevice],
    ['this adapter with the kernels meant for GPUs', () => besideDevice({ assumeGpu: true })],
  ])('every kernel is right on %s', async (_, open) => {
    const report = await verify(await open());
    expect(report.verdicts.filter((v) => v.fault !== null)).toEqual([]);
    for (const v of report.verdicts) if (v.cases > 0) reached.add(`${v.op}/${v.variant}`);
    all = report.verdicts.map((v) => `${v.op}/${v.variant}`);
  });

  test('no kernel escapes: every variant runs on one of these devices', () => {
    expect(all.length).toBeGreaterThan(90);
    expect(all.filter((name) => !reached.has(name))).toEqual([]);
  });
});
