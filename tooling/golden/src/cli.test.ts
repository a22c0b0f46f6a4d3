import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostRandom } from '@seq/testing/golden';
import { caseBytes, writeCases } from './case-writer.js';
import type { Recipe } from './case-writer.js';
import { main, ownCases } from './cli.js';
import { findCases } from './find.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'golden-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

async function golden(...args: string[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const code = await main(args, (line) => lines.push(line));
  return { code, lines };
}

const tanhCase: Recipe = {
  family: 'activations',
  case: 'tanh',
  inputs: { 'in.x': hostRandom(1).normal([6]) },
  compute: ({ 'in.x': x }) => ({ 'out.y': { shape: x.shape, data: x.data.map(Math.tanh) } }),
};

const due = 'activations,layernorm,rmsnorm,gru,lstm,rope,causal_conv1d,cross_entropy,optim';

test('the families with an adapter pass, in f64 and f32', async () => {
  const { code, lines } = await golden('--family', due);
  expect(lines.filter((l) => !l.startsWith('ok'))).toEqual(['golden: 49 passed, 0 failed, 0 unsupported']);
  expect(code).toBe(0);
  expect(lines[0]).toMatch(/f64 2 tensors.*f32 2 tensors/);
});

test('families without an adapter count as unsupported, one line per case', async () => {
  const { code, lines } = await golden('--family', 'mesa_net,gru');
  const cases = findCases(ownCases).filter((c) => c.family === 'mesa_net' || c.family === 'gru');
  const missing = cases.filter((c) => c.family === 'mesa_net').length;
  expect(lines).toHaveLength(cases.length + 1);
  expect(lines.at(-1)).toBe(`golden: ${cases.length - missing} passed, 0 failed, ${missing} unsupported`);
  expect(code).toBe(0);
});

test('the cases of the repository are those of its index, all 350 of 103 families', () => {
  const cases = findCases(ownCases);
  expect(cases.every((c) => c.listed)).toBe(true);
  expect(cases).toHaveLength(350);
  expect(new Set(cases.map((c) => c.family)).size).toBe(103);
});

test('a perturbed result fails, says where, and gives exit code 1', async () => {
  const bent: Recipe = {
    ...tanhCase,
    compute: (inputs) => {
      const y = tanhCase.compute(inputs)['out.y'];
      return { 'out.y': { ...y, data: y.data.map((v, i) => (i === 4 ? v + 1e-3 : v)) } };
    },
  };
  writeCases(dir, [bent]);
  const { code, lines } = await golden('--dir', dir);
  expect(lines[0]).toMatch(
    /^FAIL {2}activations\/tanh .*f64 out\.y: first at \[4\]: .* largest difference 1\.00e-3/,
  );
  expect(lines[0]).toMatch(/f32 out\.y/);
  expect(lines.at(-1)).toBe('golden: 0 passed, 1 failed, 0 unsupported');
  expect(code).toBe(1);
});

test('a difference that f32 allows still fails in f64', async () => {
  const bent: Recipe = {
    ...tanhCase,
    compute: (inputs) => {
      const y = tanhCase.compute(inputs)['out.y'];
      return { 'out.y': { ...y, data: y.data.map((v) => v * (1 + 1e-6)) } };
    },
  };
  writeCases(dir, [bent]);
  const { code, lines } = await golden('--dir', dir);
  expect(code).toBe(1);
  expect(lines[0]).toContain('f64 out.y');
  expect(lines[0]).not.toContain('f32 out.y');
});

test('a perturbed gradient fails', async () => {
  const bytes = caseBytes(tanhCase);
  writeCases(dir, [tanhCase], { index: false });
  // The gradient is the first F64 tensor behind the header.
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = 8 + Number(view.getBigUint64(0, true));
  view.setFloat64(start, view.getFloat64(start, true) + 0.1, true);
  writeFileSync(join(dir, 'activations/tanh.safetensors'), bytes);
  const { code, lines } = await golden('--dir', dir);
  expect(code).toBe(1);
  expect(lines[0]).toMatch(/grad\.in\.x: first at \[0\]/);
});

test('a truncated file fails with the reason, with and without an index', async () => {
  for (const index of [true, false]) {
    rmSync(dir, { recursive: true });
    writeCases(dir, [tanhCase, { ...tanhCase, case: 'tanh_whole' }], { index });
    truncateSync(join(dir, 'activations/tanh.safetensors'), 400);
    const { code, lines } = await golden('--dir', dir);
    expect(lines[0]).toMatch(
      index
        ? /FAIL {2}activations\/tanh .*400 bytes, index\.json lists/
        : /FAIL {2}activations\/tanh .*cut short/,
    );
    expect(lines.at(-1)).toBe('golden: 1 passed, 1 failed, 0 unsupported');
    expect(code).toBe(1);
  }
});

test('a missing and a changed file fail', async () => {
  writeCases(dir, [tanhCase, { ...tanhCase, case: 'tanh_2' }]);
  rmSync(join(dir, 'activations/tanh.safetensors'));
  const bytes = readFileSync(join(dir, 'activations/tanh_2.safetensors'));
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(join(dir, 'activations/tanh_2.safetensors'), bytes);
  const { code, lines } = await golden('--dir', dir);
  expect(lines[0]).toContain('which is not there');
  expect(lines[1]).toContain('SHA-256');
  expect(code).toBe(1);
});

test('an unknown option, input, function or reduction makes a case unsupported, with the reason', async () => {
  const loss = { 'out.loss': { shape: [], data: Float64Array.of(0) } };
  const logits = {
    'in.logits': hostRandom(2).normal([2, 3]),
    'in.target': hostRandom(3).integer([2], { high: 3 }),
  };
  writeCases(dir, [
    { ...tanhCase, options: { beta: 2 } },
    {
      ...tanhCase,
      case: 'tanh_mask',
      inputs: { ...tanhCase.inputs, 'in.mask': hostRandom(4).normal([6]) },
      loss: [],
    },
    { ...tanhCase, case: 'wobble' },
    {
      family: 'cross_entropy',
      case: 'odd',
      options: { reduction: 'batchmean' },
      inputs: logits,
      compute: () => loss,
      loss: [],
    },
  ]);
  const { code, lines } = await golden('--dir', dir);
  expect(lines[0]).toMatch(/^n\/a .*option beta=2 is not known/);
  expect(lines[1]).toMatch(/^n\/a .*in\.mask is not known/);
  expect(lines[2]).toMatch(/^n\/a .*"wobble" is not known/);
  expect(lines[3]).toMatch(/^n\/a .*reduction is "batchmean"/);
  expect(lines.at(-1)).toBe('golden: 0 passed, 0 failed, 4 unsupported');
  expect(code).toBe(0);
});

test('a result that the adapter does not compute fails', async () => {
  writeCases(dir, [
    {
      ...tanhCase,
      compute: (inputs) => ({
        ...tanhCase.compute(inputs),
        'out.extra': { shape: [1], data: Float64Array.of(1) },
      }),
      loss: ['y'],
    },
  ]);
  const { code, lines } = await golden('--dir', dir);
  expect(lines[0]).toContain('out.extra: not computed');
  expect(code).toBe(1);
});

test('--json holds every comparison', async () => {
  writeCases(dir, [tanhCase]);
  const file = join(dir, 'report.json');
  await golden('--dir', dir, '--json', file);
  const report = JSON.parse(readFileSync(file, 'utf8')) as {
    passed: number;
    device: string;
    cases: {
      name: string;
      status: string;
      comparisons: { name: string; precision: string; error: number; bound: number }[];
    }[];
  };
  expect(report).toMatchObject({ passed: 1, failed: 0, unsupported: 0, device: 'cpu' });
  const [first] = report.cases;
  expect(first).toMatchObject({ name: 'activations/tanh', status: 'passed' });
  expect(first.comparisons.map((c) => `${c.precision} ${c.name}`)).toEqual([
    'f64 grad.in.x',
    'f64 out.y',
    'f32 grad.in.x',
    'f32 out.y',
  ]);
  for (const c of first.comparisons) expect(c.error).toBeLessThanOrEqual(c.bound);
});

test('commands that cannot be carried out give exit code 2 and say why', async () => {
  const refused = async (pattern: RegExp, ...args: string[]): Promise<void> => {
    const { code, lines } = await golden(...args);
    expect(code).toBe(2);
    expect(lines.join('\n')).toMatch(pattern);
  };
  await refused(/--dir: must be a folder/, '--dir', join(dir, 'nowhere'));
  await refused(/--dir: must hold cases, got none/, '--dir', dir);
  await refused(/--family: must name families .* got gruu/, '--family', 'gruu');
  await refused(/--device: must be cpu or webgpu, got tpu/, '--device', 'tpu');
  await refused(/Unknown option/, '--familly', 'gru');
  writeFileSync(join(dir, 'index.json'), '{');
  await refused(/index\.json must be JSON/, '--dir', dir);
});
