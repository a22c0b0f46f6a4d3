import { describe, expect, test } from 'vitest';
import { FormatError, SeqError } from '../engine/errors.js';
import { tensor } from '../creation.js';
import type { RawTensor } from './safetensors.js';
import { decodeSafetensors, encodeSafetensors, loadTensors, saveTensors } from './safetensors.js';

/** A file with any header and data, right or wrong. */
function file(header: string | object, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

function bytesOf(
  values: ArrayLike<number> & { buffer: ArrayBufferLike; byteLength: number; byteOffset: number },
): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function message(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    expect(SeqError.is(error, 'format'), String(error)).toBe(true);
    expect(error).toBeInstanceOf(FormatError);
    return (error as Error).message;
  }
  throw new Error('expected a FormatError');
}

const sample: Record<string, RawTensor> = {
  flags: { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) },
  wide: { dtype: 'F64', shape: [2, 1], data: bytesOf(Float64Array.of(Math.PI, -0)) },
  'a.b': { dtype: 'F32', shape: [2, 2], data: bytesOf(Float32Array.of(1, 2, 3, NaN)) },
  __proto: { dtype: 'I32', shape: [], data: bytesOf(Int32Array.of(-7)) },
  none: { dtype: 'F32', shape: [0, 4], data: new Uint8Array(0) },
};

describe('encodeSafetensors', () => {
  test('writes the format: aligned data, wide types first, the same bytes for any order', () => {
    const bytes = encodeSafetensors(sample, { b: '2', a: '1' });
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect((8 + length) % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    expect(header['__metadata__']).toEqual({ a: '1', b: '2' });
    expect(header['wide']).toEqual({ dtype: 'F64', shape: [2, 1], data_offsets: [0, 16] });
    expect(header['flags'].data_offsets[1]).toBe(bytes.length - 8 - length);
    const reversed = Object.fromEntries(Object.entries(sample).reverse());
    expect(encodeSafetensors(reversed, { a: '1', b: '2' })).toEqual(bytes);
  });

  test('round trip, names that look like prototype members included', () => {
    const entries = Object.fromEntries([
      ...Object.entries(sample),
      ['constructor', { dtype: 'U8', shape: [1], data: Uint8Array.of(9) } as RawTensor],
    ]);
    Object.defineProperty(entries, '__proto__', {
      value: { dtype: 'U8', shape: [2], data: Uint8Array.of(4, 5) },
      enumerable: true,
    });
    const { tensors, metadata } = decodeSafetensors(encodeSafetensors(entries, { note: 'ü "quoted"' }));
    expect(metadata['note']).toBe('ü "quoted"');
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(entries).sort());
    for (const [name, entry] of Object.entries(entries)) {
      expect(tensors[name].dtype).toBe(entry.dtype);
      expect(tensors[name].shape).toEqual(entry.shape);
      expect([...tensors[name].data]).toEqual([...entry.data]);
    }
  });

  test('an empty file is legal', () => {
    expect(Object.keys(decodeSafetensors(encodeSafetensors({})).tensors)).toEqual([]);
  });

  test('refuses bytes that do not fill the shape and the reserved name', () => {
    const short: RawTensor = { dtype: 'F32', shape: [3], data: new Uint8Array(8) };
    expect(message(() => encodeSafetensors({ w: short }))).toMatch(
      /got 8 bytes for "w" F32 \[3\] \(12 bytes\)/,
    );
    const fine: RawTensor = { dtype: 'F32', shape: [2], data: new Uint8Array(8) };
    expect(message(() => encodeSafetensors({ __metadata__: fine }))).toMatch(/keeps that name/);
  });
});

describe('decodeSafetensors names the defect of a file', () => {
  const f32 = (begin: number, end: number, shape: number[] = [(end - begin) / 4]): object => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  const cases: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /at least 8 bytes, got 0/],
    ['a text', new TextEncoder().encode('Call me Ishmael. Some years ago'), /header length must be at most/],
    ['header beyond the file', file('{}').subarray(0, 9), /got 2 bytes of header in a file of 9/],
    ['no JSON', file('{"a":'), /header must be JSON/],
    ['an empty header', file(''), /header must be JSON/],
    ['a list', file('[]'), /must be a JSON object/],
    [
      'duplicate',
      file(`{"a":${JSON.stringify(f32(0, 4))},"a":${JSON.stringify(f32(4, 8))}}`, new Uint8Array(8)),
      /unique, got "a" twice/,
    ],
    [
      'duplicate, escaped',
      file(`{"a":${JSON.stringify(f32(0, 4))},"\\u0061" :${JSON.stringify(f32(0, 4))}}`, new Uint8Array(4)),
      /unique, got "a" twice/,
    ],
    [
      'duplicate field',
      file('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4)),
      /"dtype" twice/,
    ],
    [
      'unknown dtype',
      file({ a: { dtype: 'F99', shape: [1], data_offsets: [0, 4] } }, new Uint8Array(4)),
      /dtype of "a" must be one of .*F32.*got "F99"/,
    ],
    [
      'inherited dtype',
      file({ a: { dtype: 'toString', shape: [1], data_offsets: [0, 4] } }, new Uint8Array(4)),
      /got "toString"/,
    ],
    ['no dtype', file({ a: { shape: [1], data_offsets: [0, 4] } }, new Uint8Array(4)), /got nothing/],
    ['shape', file({ a: f32(0, 4, [-1]) }, new Uint8Array(4)), /list of sizes, got \[-1\]/],
    ['fraction', file({ a: f32(0, 4, [1.5]) }, new Uint8Array(4)), /list of sizes/],
    ['huge shape', file({ a: f32(0, 4, [2 ** 30, 2 ** 30]) }, new Uint8Array(4)), /too many bytes/],
    [
      'offsets',
      file({ a: { dtype: 'F32', shape: [1], data_offsets: [4, 0] } }, new Uint8Array(4)),
      /must be \[begin, end\]/,
    ],
    [
      'one offset',
      file({ a: { dtype: 'F32', shape: [1], data_offsets: [4] } }, new Uint8Array(4)),
      /must be \[begin, end\]/,
    ],
    ['size', file({ a: f32(0, 4, [2]) }, new Uint8Array(4)), /F32 \[2\] \(8 bytes\) and 4 bytes/],
    [
      'range',
      file({ a: f32(0, 8) }, new Uint8Array(4)),
      /inside the file, got data_offsets \[0, 8\] in 4 bytes/,
    ],
    ['overlap', file({ a: f32(0, 8), b: f32(4, 12) }, new Uint8Array(12)), /"b" overlaps/],
    ['gap', file({ a: f32(0, 4), b: f32(8, 12) }, new Uint8Array(12)), /"b" leaves a gap/],
    ['uncovered end', file({ a: f32(0, 4) }, new Uint8Array(12)), /12 bytes of data for 4 bytes of tensors/],
    ['an entry that is no object', file({ a: 3 }), /"a" must be an object, got 3/],
    ['metadata', file({ __metadata__: [] }), /must be an object of strings/],
    ['metadata value', file({ __metadata__: { k: 1 } }), /"k" must be a string, got 1/],
    ['deep nesting', file(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`), /"a" must be an object/],
  ];
  test.each(cases)('%s', (_, bytes, expected) => {
    expect(message(() => decodeSafetensors(bytes))).toMatch(expected);
  });

  test('bytes that are no UTF-8', () => {
    const bytes = file('{"a":1}');
    bytes[10] = 0xff;
    expect(message(() => decodeSafetensors(bytes))).toMatch(/JSON in UTF-8/);
  });
});

describe('damaged files', () => {
  const bytes = encodeSafetensors(sample, { who: 'me' });

  test('every truncation is a FormatError', () => {
    for (let n = 0; n < bytes.length; n++) message(() => decodeSafetensors(bytes.subarray(0, n)));
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    message(() => decodeSafetensors(longer));
  });

  test('every flipped bit gives a FormatError or a file whose bytes add up, no other exception', () => {
    let refused = 0;
    const dataStart = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      try {
        const { tensors } = decodeSafetensors(damaged);
        const total = Object.values(tensors).reduce((n, t) => n + t.data.length, 0);
        expect(total).toBe(bytes.length - dataStart);
      } catch (error) {
        expect(SeqError.is(error, 'format'), `bit ${bit}: ${String(error)}`).toBe(true);
        refused++;
      }
      if (bit >> 3 < 8) expect(() => decodeSafetensors(damaged)).toThrow(FormatError);
    }
    expect(refused).toBeGreaterThan(dataStart * 4); // most of the header is load-bearing
  });

  test('random bytes written over the header', () => {
    let seed = 12345;
    const next = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 8;
    for (let round = 0; round < 3000; round++) {
      const damaged = bytes.slice();
      for (let k = 0; k <= round % 4; k++) damaged[next() % damaged.length] = next() & 255;
      try {
        decodeSafetensors(damaged);
      } catch (error) {
        expect(SeqError.is(error, 'format'), `round ${round}: ${String(error)}`).toBe(true);
      }
    }
  });
});

describe('tensors', () => {
  test('every dtype comes back with its bits', async () => {
    const tensors = {
      f64: tensor(Float64Array.of(1 / 3, -0, Infinity, 5e-324)),
      f32: tensor(Float32Array.of(1.5, NaN, -Infinity, 1e-45), { shape: [2, 2] }),
      f16: tensor([0.1, 65504, 6e-8, -2.5], { dtype: 'f16' }),
      i32: tensor(Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
      u32: tensor(Uint32Array.of(2 ** 32 - 1)),
      bool: tensor([true, false, true]),
      scalar: tensor(3),
    };
    const loaded = loadTensors(await saveTensors(tensors, { made: 'by hand' }));
    expect([...loaded.keys()].sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, before] of Object.entries(tensors)) {
      const after = loaded.get(name)!;
      expect(after.dtype).toBe(before.dtype);
      expect(after.shape).toEqual(before.shape);
      expect(await after.data()).toEqual(await before.data());
    }
  });

  test('a Node Buffer, at any offset, is read like any other bytes', async () => {
    const bytes = await saveTensors({ a: tensor([1, 2, 3]), b: tensor(Float64Array.of(4)) });
    const pool = Buffer.alloc(bytes.length + 3);
    pool.set(bytes, 3);
    const loaded = loadTensors(pool.subarray(3));
    expect(await loaded.get('a')!.toArray()).toEqual([1, 2, 3]);
    expect(await loaded.get('b')!.toArray()).toEqual([4]);
    const raw = decodeSafetensors(pool.subarray(3)).tensors['a'].data;
    expect(raw.slice().buffer.byteLength).toBe(12);
  });

  test('types of the format that are widened', async () => {
    const raw: Record<string, RawTensor> = {
      bf16: { dtype: 'BF16', shape: [3], data: bytesOf(Uint16Array.of(0x3f80, 0xc049, 0x7f80)) },
      i64: { dtype: 'I64', shape: [2], data: new Uint8Array(BigInt64Array.of(-5n, 2147483647n).buffer) },
      i16: { dtype: 'I16', shape: [1], data: bytesOf(Int16Array.of(-300)) },
      u8: { dtype: 'U8', shape: [2], data: Uint8Array.of(0, 255) },
    };
    const loaded = loadTensors(encodeSafetensors(raw));
    expect(loaded.get('bf16')!.dtype).toBe('f32');
    expect([...(await loaded.get('bf16')!.data())]).toEqual([1, -3.140625, Infinity]);
    for (const name of ['i64', 'i16', 'u8']) expect(loaded.get(name)!.dtype).toBe('i32');
    expect([...(await loaded.get('i64')!.data())]).toEqual([-5, 2147483647]);
    expect([...(await loaded.get('i16')!.data())]).toEqual([-300]);
    expect([...(await loaded.get('u8')!.data())]).toEqual([0, 255]);
  });

  test('values and types that do not fit are refused by name', () => {
    const one = (dtype: RawTensor['dtype'], data: Uint8Array): Uint8Array =>
      encodeSafetensors({ w: { dtype, shape: [1], data } });
    const long = new Uint8Array(BigInt64Array.of(2147483648n).buffer);
    expect(message(() => loadTensors(one('I64', long)))).toMatch(/fit into i32, got 2147483648 at 0 of "w"/);
    expect(message(() => loadTensors(one('BOOL', Uint8Array.of(2))))).toMatch(/0 or 1, got 2/);
    expect(message(() => loadTensors(one('F8_E4M3', Uint8Array.of(2))))).toMatch(/F8_E4M3.*Convert/);
  });

  test('every half float comes back, NaN as a NaN', async () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const halves = loadTensors(
      encodeSafetensors({ h: { dtype: 'F16', shape: [65536], data: bytesOf(bits) } }),
    ).get('h')!;
    const again = decodeSafetensors(await saveTensors({ h: halves })).tensors['h'].data;
    const back = new Uint16Array(again.slice().buffer);
    const isNaN16 = (b: number): boolean => (b & 0x7c00) === 0x7c00 && (b & 0x3ff) !== 0;
    const wrong = [...bits].filter((b) => (isNaN16(b) ? !isNaN16(back[b]) : back[b] !== b));
    expect(wrong).toEqual([]);
  });
});
