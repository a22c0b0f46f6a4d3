import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SeqError, encodeSafetensors } from '@seq/tensor';
import { compareGolden, parseGolden, readGolden } from './case.js';

const bytes = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function file(metadata: Record<string, string> = {}): Uint8Array {
  return encodeSafetensors(
    {
      'in.x': { dtype: 'F32', shape: [2], data: bytes(Float32Array.of(0.5, 1.5)) },
      'in.G.y': { dtype: 'F32', shape: [2], data: bytes(Float32Array.of(1, 1)) },
      'in.mask': { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) },
      'in.ids': { dtype: 'I32', shape: [1], data: bytes(Int32Array.of(-7)) },
      'out.y': { dtype: 'F64', shape: [2], data: bytes(Float64Array.of(10, -Infinity)) },
    },
    {
      format: 'seq-golden-1',
      family: 'demo',
      case: 'one',
      options: '{"eps":0.1}',
      loss: 'sum(out.y*in.G.y)',
      tolerance: '{"f32_abs":{"out.y":0.01},"f64_rel_to_max":1e-9}',
      ...metadata,
    },
  );
}

test('a case is read from bytes and from a path: options, loss, tolerances, values of every dtype', async () => {
  const golden = parseGolden(file());
  expect(golden).toMatchObject({ family: 'demo', case: 'one', options: { eps: 0.1 }, loss: ['y'] });
  expect(golden.tolerance).toEqual({ f32_abs: { 'out.y': 0.01 }, f64_rel_to_max: 1e-9 });
  expect(golden.tensors.get('in.x')).toEqual({ shape: [2], data: Float64Array.of(0.5, 1.5) });
  expect(golden.tensors.get('in.mask')).toEqual({ shape: [2], dtype: 'bool', data: Float64Array.of(1, 0) });
  expect(golden.tensors.get('in.ids')).toEqual({ shape: [1], dtype: 'i32', data: Float64Array.of(-7) });
  const dir = mkdtempSync(join(tmpdir(), 'case-'));
  try {
    writeFileSync(join(dir, 'one.safetensors'), file());
    expect(await readGolden(join(dir, 'one.safetensors'))).toEqual(golden);
  } finally {
    rmSync(dir, { recursive: true });
  }
  expect(parseGolden(file({ loss: 'none' })).loss).toEqual([]);
});

test('damaged and foreign files are format errors', () => {
  const thrown = (data: Uint8Array): unknown => {
    try {
      parseGolden(data);
    } catch (error) {
      return error;
    }
    return undefined;
  };
  for (const data of [
    new Uint8Array(3),
    file().subarray(0, 300),
    file({ format: 'other' }),
    file({ options: '{' }),
    file({ loss: 'sum(out.z*in.G.z)' }),
  ])
    expect(SeqError.is(thrown(data), 'format')).toBe(true);
  expect(String(thrown(file({ format: 'other' })))).toMatch(
    /metadata\.format must be "seq-golden-1", got "other"/,
  );
});

test('comparison holds f32 to its bound, f64 to the largest magnitude, infinities to themselves', () => {
  const golden = parseGolden(file());
  const y = (...data: number[]) => ({ shape: [2], data: Float64Array.from(data) });
  expect(compareGolden(golden, 'out.y', y(10.009, -Infinity), 'f32')).toMatchObject({
    passed: true,
    bound: 0.01,
  });
  expect(compareGolden(golden, 'out.y', y(10.011, -Infinity), 'f32')).toMatchObject({ passed: false });
  expect(compareGolden(golden, 'out.y', y(10 + 9e-9, -Infinity), 'f64').passed).toBe(true);
  expect(compareGolden(golden, 'out.y', y(10 + 2e-8, -Infinity), 'f64').passed).toBe(false);
  expect(compareGolden(golden, 'out.y', y(10, -1e30), 'f32').reason).toMatch(
    /first at \[1\]: -1e\+30 instead of -Infinity/,
  );
  expect(compareGolden(golden, 'out.y', y(NaN, -Infinity), 'f32').passed).toBe(false);
  expect(compareGolden(golden, 'out.y', undefined, 'f32')).toMatchObject({
    passed: false,
    reason: 'not computed',
  });
  expect(
    compareGolden(golden, 'out.y', { shape: [1, 2], data: Float64Array.of(10, -Infinity) }, 'f32').reason,
  ).toBe('shape [1, 2], expected [2]');
});
