import { FormatError, decodeSafetensors } from '@seq/tensor';
import { firstDifference, magnitude } from '../compare.js';
import type { HostArray } from '../host.js';

/** A golden case: inputs and what an independent implementation computes from them in float64. */
export interface GoldenCase {
  readonly family: string;
  readonly case: string;
  /** Every option of the call, as the reference names them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where the numbers come from. */
  readonly source: { readonly repo?: string; readonly path?: string; readonly function?: string };
  /** What each axis means, in words. */
  readonly shapes: string;
  /** Names `y` of the outputs in the loss Σ out.y · in.G.y whose gradient is stored; empty when none is. */
  readonly loss: readonly string[];
  readonly tolerance: {
    readonly f32_abs: Readonly<Record<string, number>>;
    readonly f64_rel_to_max: number;
  };
  /** Tensors that only a float64 implementation can be compared in. */
  readonly illConditioned: readonly string[];
  readonly notes: string;
  /** Name → values, in the order of the file. */
  readonly tensors: ReadonlyMap<string, HostArray>;
}

/**
 * Reads a golden case from a file's bytes.
 *
 * @throws FormatError when the bytes are no safetensors file, or not of the format `seq-golden-1`
 */
export function parseGolden(bytes: Uint8Array): GoldenCase {
  const { tensors: raw, metadata } = decodeSafetensors(bytes);
  if (metadata['format'] !== 'seq-golden-1')
    throw new FormatError(
      `parseGolden: metadata.format must be "seq-golden-1", got ${JSON.stringify(metadata['format'])}. Pass a golden case.`,
    );
  const text = (key: string): string => metadata[key] ?? '';
  const json = <T>(key: string, absent: T): T => {
    if (metadata[key] === undefined) return absent;
    try {
      return JSON.parse(metadata[key]) as T;
    } catch {
      throw new FormatError(
        `parseGolden: metadata.${key} must be JSON, got ${metadata[key]}. Repair the file.`,
      );
    }
  };
  const tensors = new Map<string, HostArray>();
  for (const [name, entry] of Object.entries(raw)) tensors.set(name, values(name, entry));
  const tolerance = json<Partial<GoldenCase['tolerance']>>('tolerance', {});
  return {
    family: text('family'),
    case: text('case'),
    options: json('options', {}),
    source: json('source', {}),
    shapes: text('shapes'),
    loss: text('loss') === 'none' ? [] : lossNames(text('loss'), tensors),
    tolerance: {
      f32_abs: tolerance.f32_abs ?? {},
      f64_rel_to_max: tolerance.f64_rel_to_max ?? 1e-9,
    },
    illConditioned: json('f32_ill_conditioned', []),
    notes: text('notes'),
    tensors,
  };
}

/** Reads a golden case from bytes, or from a file by path or URL (where `node:fs` exists). */
export async function readGolden(source: Uint8Array | string | URL): Promise<GoldenCase> {
  if (source instanceof Uint8Array) return parseGolden(source);
  const { readFile } = await import('node:fs/promises');
  return parseGolden(await readFile(source));
}

function lossNames(loss: string, tensors: ReadonlyMap<string, HostArray>): string[] {
  const names = [...loss.matchAll(/out\.([\w.]+)\s*\*\s*in\.G\./g)].map((m) => m[1]);
  for (const name of names)
    if (!tensors.has(`in.G.${name}`))
      throw new FormatError(
        `parseGolden: every output in the loss needs its cotangent, got no in.G.${name} for ${loss}. Repair the file.`,
      );
  return names;
}

function values(
  name: string,
  { dtype, shape, data }: { dtype: string; shape: readonly number[]; data: Uint8Array },
): HostArray {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read = (bytes: number, get: (at: number) => number): Float64Array =>
    Float64Array.from({ length: data.byteLength / bytes }, (_, i) => get(i * bytes));
  switch (dtype) {
    case 'F32':
      return { shape, data: read(4, (at) => view.getFloat32(at, true)) };
    case 'F64':
      return { shape, data: read(8, (at) => view.getFloat64(at, true)) };
    case 'I32':
      return { shape, dtype: 'i32', data: read(4, (at) => view.getInt32(at, true)) };
    case 'BOOL':
      return { shape, dtype: 'bool', data: read(1, (at) => view.getUint8(at)) };
    default:
      throw new FormatError(
        `parseGolden: a golden case holds F32, F64, I32 and BOOL, got ${dtype} for ${name}. Convert it.`,
      );
  }
}

/** How one tensor of a case fared. */
export interface GoldenComparison {
  readonly name: string;
  /** Largest absolute difference. */
  readonly error: number;
  /** The largest difference that passes. */
  readonly bound: number;
  readonly passed: boolean;
  /** Why not, in words; absent when it passed. */
  readonly reason?: string;
}

/**
 * Compares one computed tensor with a case.
 *
 * In `f32` the bound is `tolerance.f32_abs[name]` (1e-4 of the largest magnitude where the case names none),
 * in `f64` it is `tolerance.f64_rel_to_max` times the largest magnitude.
 */
export function compareGolden(
  golden: GoldenCase,
  name: string,
  got: HostArray | undefined,
  precision: 'f32' | 'f64',
): GoldenComparison {
  const want = golden.tensors.get(name);
  const fail = (reason: string): GoldenComparison => ({
    name,
    error: Infinity,
    bound: 0,
    passed: false,
    reason,
  });
  if (!want) return fail(`the case holds no ${name}`);
  if (!got) return fail('not computed');
  if (got.shape.join() !== want.shape.join())
    return fail(`shape [${got.shape.join(', ')}], expected [${want.shape.join(', ')}]`);
  const scale = magnitude(want.data);
  const bound =
    precision === 'f64'
      ? golden.tolerance.f64_rel_to_max * scale
      : (golden.tolerance.f32_abs[name] ?? 1e-4 * scale);
  const difference = firstDifference(got, want, { abs: bound });
  if (!difference) return { name, error: largest(got, want), bound, passed: true };
  const { index, got: g, want: w } = difference;
  return {
    name,
    error: difference.largest,
    bound,
    passed: false,
    reason: `first at [${index.join(', ')}]: ${g} instead of ${w}; largest difference ${difference.largest.toExponential(2)}, bound ${bound.toExponential(2)}`,
  };
}

function largest(got: HostArray, want: HostArray): number {
  let m = 0;
  for (let i = 0; i < want.data.length; i++) {
    const d = Math.abs(got.data[i] - want.data[i]);
    if (d > m) m = d;
  }
  return m;
}
