import { tensor } from '../creation.js';
import type { Device } from '../device.js';
import type { DType } from '../engine/dtype.js';
import { FormatError } from '../engine/errors.js';
import { toHalf } from '../cpu/half.js';
import type { Tensor } from '../tensor.js';
import { duplicateKey } from './json.js';
import { toValues } from './values.js';

/** Bytes of one element of each type of the format that has whole bytes. */
const elementBytes = {
  F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1, F8_E5M2: 1, F8_E4M3: 1,
} as const; // prettier-ignore

/** An element type as safetensors files name it. */
export type SafetensorsDType = keyof typeof elementBytes;

/** One tensor of a file: its bytes are row-major and little endian. */
export interface RawTensor {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** The reference reader refuses headers beyond this, so no writer makes them. */
const maxHeaderBytes = 100_000_000;
const where = 'decodeSafetensors';

/**
 * Writes named tensors as a safetensors file.
 *
 * Layout: header length (u64, little endian), header (JSON, padded with spaces), data. Data starts at
 * a multiple of 8 and wider types come first, so every tensor is aligned to its element size. The same
 * entries give the same bytes, whatever their order.
 *
 * @param entries  name → dtype, shape and bytes; `__metadata__` is not a name
 * @param metadata strings kept in the header
 * @throws FormatError when bytes and shape of an entry differ
 */
export function encodeSafetensors(
  entries: Readonly<Record<string, RawTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const names = Object.keys(entries).sort((a, b) => {
    const byWidth = elementBytes[entries[b].dtype] - elementBytes[entries[a].dtype];
    return byWidth || (a < b ? -1 : 1);
  });
  const fields: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    const pairs = keys.map((k) => `${JSON.stringify(k)}:${JSON.stringify(metadata[k])}`);
    fields.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  let end = 0;
  for (const name of names) {
    const { dtype, shape, data } = entries[name];
    if (name === '__metadata__') {
      throw new FormatError(
        'encodeSafetensors: a tensor must not be named "__metadata__", the format keeps that name. Rename it.',
      );
    }
    const bytes = byteLength(dtype, shape);
    if (bytes !== data.byteLength) {
      throw new FormatError(
        `encodeSafetensors: data must fill the shape, got ${data.byteLength} bytes for "${name}" ${dtype} ${brief(shape)}` +
          ` (${bytes ?? 'impossible'} bytes). Pass the whole tensor.`,
      );
    }
    fields.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${end},${end + bytes}]}`,
    );
    end += bytes;
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  file.fill(0x20, 8 + json.length, 8 + headerBytes);
  let at = 8 + headerBytes;
  for (const name of names) {
    file.set(entries[name].data, at);
    at += entries[name].data.byteLength;
  }
  return file;
}

/**
 * Reads a safetensors file; the data are views of `file`, not copies.
 *
 * Strict: the header must be valid and complete, names unique, and the tensors must cover the data
 * exactly once. A damaged byte inside the data itself cannot be seen (the format has no checksum).
 *
 * @returns tensors (name → dtype, shape, bytes) and the metadata strings; both without a prototype
 * @throws FormatError for every defect of the file, and nothing else
 */
export function decodeSafetensors(file: Uint8Array): {
  tensors: Record<string, RawTensor>;
  metadata: Record<string, string>;
} {
  // Node's Buffer is a Uint8Array whose `slice` does not copy: views must not inherit that.
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  const { header, dataStart } = readHeader(bytes);
  const tensors = Object.create(null) as Record<string, RawTensor>;
  const metadata = Object.create(null) as Record<string, string>;
  const spans: { name: string; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isObject(entry))
        throw new FormatError(
          `${where}: __metadata__ must be an object of strings, got ${brief(entry)}. ${remedy}`,
        );
      for (const [k, v] of Object.entries(entry)) {
        if (typeof v !== 'string')
          throw new FormatError(
            `${where}: __metadata__ ${brief(k)} must be a string, got ${brief(v)}. ${remedy}`,
          );
        metadata[k] = v;
      }
      continue;
    }
    const { dtype, shape, begin, end } = readEntry(name, entry);
    if (end > bytes.byteLength - dataStart) {
      throw new FormatError(
        `${where}: ${brief(name)} must lie inside the file, got data_offsets [${begin}, ${end}] in ${bytes.byteLength - dataStart} bytes of data.` +
          ' The file is cut short: fetch or write it again.',
      );
    }
    tensors[name] = { dtype, shape, data: bytes.subarray(dataStart + begin, dataStart + end) };
    spans.push({ name, begin, end });
  }
  checkCover(spans, bytes.byteLength - dataStart);
  return { tensors, metadata };
}

const remedy = 'The file is damaged or was written by a faulty program: fetch or write it again.';

/** Header as parsed JSON, and where the data begins. */
function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.byteLength < 8) {
    throw new FormatError(
      `${where}: a safetensors file has at least 8 bytes, got ${bytes.byteLength}. The file is cut short or of another kind.`,
    );
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw new FormatError(
      `${where}: the header length must be at most ${maxHeaderBytes} bytes, got ${length}. The file is not a safetensors file, or damaged.`,
    );
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.byteLength) {
    throw new FormatError(
      `${where}: the header must lie inside the file, got ${length} bytes of header in a file of ${bytes.byteLength}.` +
        ' The file is cut short or of another kind.',
    );
  }
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, dataStart));
    header = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(
      `${where}: the header must be JSON in UTF-8 (${reason}). The file is not a safetensors file, or damaged.`,
    );
  }
  if (!isObject(header)) {
    throw new FormatError(
      `${where}: the header must be a JSON object, got ${brief(header)}. The file is not a safetensors file.`,
    );
  }
  const twice = duplicateKey(text);
  if (twice !== undefined)
    throw new FormatError(`${where}: names must be unique, got ${brief(twice)} twice. ${remedy}`);
  return { header, dataStart };
}

function readEntry(
  name: string,
  entry: unknown,
): { dtype: SafetensorsDType; shape: number[]; begin: number; end: number } {
  if (!isObject(entry))
    throw new FormatError(`${where}: ${brief(name)} must be an object, got ${brief(entry)}. ${remedy}`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) {
    throw new FormatError(
      `${where}: the dtype of ${brief(name)} must be one of ${Object.keys(elementBytes).join(', ')}, got ${brief(dtype)}. Convert the tensor before saving it.`,
    );
  }
  if (!isSizes(shape))
    throw new FormatError(
      `${where}: the shape of ${brief(name)} must be a list of sizes, got ${brief(shape)}. ${remedy}`,
    );
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw new FormatError(
      `${where}: data_offsets of ${brief(name)} must be [begin, end], got ${brief(offsets)}. ${remedy}`,
    );
  }
  const [begin, end] = offsets as [number, number];
  const bytes = byteLength(dtype as SafetensorsDType, shape);
  if (bytes !== end - begin) {
    throw new FormatError(
      `${where}: shape and data of ${brief(name)} must agree, got ${dtype} ${brief(shape)} (${bytes ?? 'too many'} bytes) and ${end - begin} bytes. ${remedy}`,
    );
  }
  return { dtype: dtype as SafetensorsDType, shape, begin, end };
}

/** Tensors must follow each other without gap or overlap from 0 to the end of the data. */
function checkCover(spans: { name: string; begin: number; end: number }[], total: number): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of spans) {
    if (begin !== at) {
      const what = begin < at ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw new FormatError(
        `${where}: tensors must cover the data exactly once, ${brief(name)} ${what} (begins at ${begin}, expected ${at}). ${remedy}`,
      );
    }
    at = end;
  }
  if (at !== total) {
    throw new FormatError(
      `${where}: tensors must cover the data exactly once, got ${total} bytes of data for ${at} bytes of tensors. ${remedy}`,
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** A value as messages show it: short, whatever a file holds. */
function brief(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (isObject(value)) return 'an object';
  if (Array.isArray(value)) {
    const shown = value.slice(0, 8).map((v) => (typeof v === 'object' && v !== null ? '…' : brief(v)));
    return `[${shown.join(', ')}${value.length > 8 ? ', …' : ''}]`;
  }
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Bytes of a tensor, undefined when they cannot be counted. */
function byteLength(dtype: SafetensorsDType, shape: readonly number[]): number | undefined {
  let n: number = elementBytes[dtype];
  for (const d of shape) n *= d;
  return Number.isSafeInteger(n) ? n : undefined;
}

/** Types a tensor is written as. */
const written: Readonly<Record<DType, SafetensorsDType>> = {
  f64: 'F64',
  f32: 'F32',
  f16: 'F16',
  i32: 'I32',
  u32: 'U32',
  bool: 'BOOL',
};

/**
 * Writes tensors as a safetensors file: f64 F64, f32 F32, f16 F16, i32 I32, u32 U32, bool BOOL.
 *
 * @param tensors  name → tensor
 * @param metadata strings kept in the header
 */
export async function saveTensors(
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const named = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  const entries = Object.create(null) as Record<string, RawTensor>;
  await Promise.all(
    named.map(async ([name, t]: [string, Tensor]) => {
      const values = await t.data();
      const stored = t.dtype === 'f16' ? Uint16Array.from(values, toHalf) : values;
      const data = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
      entries[name] = { dtype: written[t.dtype], shape: t.shape, data };
    }),
  );
  return encodeSafetensors(entries, metadata);
}

/**
 * Reads the tensors of a safetensors file.
 *
 * F64 F32 F16 I32 U32 BOOL keep their type, BF16 becomes f32, and I64 U64 I16 U16 I8 U8 become i32.
 *
 * @throws FormatError for every defect of the file, integers outside i32, and types Seq has not
 */
export function loadTensors(bytes: Uint8Array, { device }: { device?: Device } = {}): Map<string, Tensor> {
  const loaded = new Map<string, Tensor>();
  for (const [name, raw] of Object.entries(decodeSafetensors(bytes).tensors)) {
    const [values, dtype] = toValues(brief(name), raw);
    loaded.set(name, tensor(values, { shape: raw.shape, dtype, device }));
  }
  return loaded;
}
