import {
  decodeSafetensors,
  disposeTree,
  encodeSafetensors,
  FormatError,
  loadTensors,
  saveTensors,
} from '@seq/tensor';
import type { Device, Tensor, Tree } from '@seq/tensor';
import { crc32 } from './crc32.js';
import { checkFits, checkSpec } from './fits.js';
import { fromSkeleton, toSkeleton } from './skeleton.js';
import type { Progress } from './training.js';

/** What a checkpoint holds: all that is needed to go on bit for bit. A `Training` fits, with `keys: { key }`. */
export interface Checkpoint<P = Tree, O = Tree, S = Tree> {
  readonly params: P;
  readonly optState?: O;
  /** Steps done. */
  readonly step: number;
  /** State carried between batches of streams. */
  readonly stream?: S | null;
  /** Keys by name: tree of [2] u32. */
  readonly keys?: Tree;
  /** What validations have found so far. */
  readonly progress?: Progress | null;
  /** What the model is: `lm.spec`. JSON. */
  readonly spec: unknown;
  /** Anything else that is JSON: the vocabulary, options, the best loss so far. */
  readonly extra?: unknown;
}

/** What a checkpoint must fit. */
export interface DecodeOptions {
  /** The spec that the file must have. */
  readonly spec?: unknown;
  /** Trees whose structure, shapes and dtypes the file's must have. */
  readonly like?: { readonly params?: Tree; readonly optState?: Tree; readonly stream?: Tree };
  readonly device?: Device;
}

const kind = 'seq-checkpoint-1';
const trees = ['params', 'optState', 'stream', 'keys'] as const;
const again = 'The file is damaged: use another one.';

/**
 * Writes a checkpoint as a safetensors file; any safetensors reader can list and read its tensors.
 *
 * Tensors are named by their paths (`params.blocks.0.mixer.…`, `optState.m.…`). The metadata holds the kind of file, step,
 * spec, extra, progress, the structure of the trees, and a CRC-32 over everything.
 *
 * @throws FormatError  trees with values that are neither tensors nor JSON
 */
export async function encodeCheckpoint(checkpoint: Checkpoint): Promise<Uint8Array<ArrayBuffer>> {
  const { step, spec, extra = null, progress = null } = checkpoint;
  if (!Number.isInteger(step) || step < 0)
    throw new FormatError(
      `encodeCheckpoint: step must be an integer ≥ 0, got ${step}. Count the steps done.`,
    );
  const tensors = new Map<string, Tensor>();
  const structure = Object.fromEntries(
    trees.map((name) => [name, toSkeleton(name, checkpoint[name] ?? null, tensors)]),
  );
  const metadata = {
    format: kind,
    step: String(step),
    spec: json('spec', spec),
    extra: json('extra', extra),
    progress: json('progress', progress),
    structure: JSON.stringify(structure),
  };
  const plain = await saveTensors(tensors, metadata);
  return encodeSafetensors(decodeSafetensors(plain).tensors, { ...metadata, crc32: checksum(plain) });
}

/**
 * Reads a checkpoint and checks it whole before anything is made of it.
 *
 * @returns the trees as they were saved; nothing of it is shared with `bytes`
 * @throws FormatError  a file that is damaged, cut short or of another kind, or whose tensors do not fit `like`
 * @throws SpecError    another spec than the one asked for
 */
export function decodeCheckpoint<P = Tree, O = Tree, S = Tree>(
  bytes: Uint8Array,
  { spec, like = {}, device }: DecodeOptions = {},
): Required<Checkpoint<P, O, S>> {
  const { metadata } = decodeSafetensors(bytes);
  if (metadata['format'] !== kind) {
    const got = metadata['format'] === undefined ? 'none' : `'${metadata['format'].slice(0, 40)}'`;
    throw new FormatError(
      `decodeCheckpoint: the metadata must say format '${kind}', got ${got}. The file holds tensors but is no checkpoint of Seq: read it with loadTensors.`,
    );
  }
  if (metadata['crc32'] !== checksum(bytes)) {
    throw new FormatError(
      `decodeCheckpoint: the checksum must be ${checksum(bytes)}, got ${metadata['crc32'] ?? 'none'}. ${again}`,
    );
  }
  const saved = {
    spec: parse('spec', metadata['spec']),
    extra: parse('extra', metadata['extra']),
    progress: progressOf(metadata['progress']),
    structure: parse('structure', metadata['structure']),
    step: Number(metadata['step']),
  };
  if (!Number.isInteger(saved.step) || saved.step < 0)
    throw new FormatError(`decodeCheckpoint: step must be an integer ≥ 0, got ${metadata['step']}. ${again}`);
  if (spec !== undefined) checkSpec('decodeCheckpoint', spec, saved.spec);
  const tensors = loadTensors(bytes, { device });
  const loaded = [...tensors.values()];
  try {
    const structure = (saved.structure ?? {}) as Record<string, unknown>;
    const made = Object.fromEntries(trees.map((name) => [name, fromSkeleton(structure[name], tensors)]));
    const [extra] = tensors.keys();
    if (extra !== undefined)
      throw new FormatError(`decodeCheckpoint: the tensor '${extra}' belongs to no tree. ${again}`);
    for (const name of ['params', 'optState', 'stream'] as const) {
      if (like[name] !== undefined) checkFits('decodeCheckpoint', name, made[name], like[name]);
    }
    const { step, progress, extra: more } = saved;
    return { ...made, step, progress, spec: saved.spec, extra: more } as unknown as Required<
      Checkpoint<P, O, S>
    >;
  } catch (error) {
    disposeTree(loaded);
    throw error;
  }
}

/** Null in files from before validations were recorded. */
function progressOf(text: string | undefined): Progress | null {
  if (text === undefined) return null;
  const value = parse('progress', text) as Progress | null;
  if (value === null) return null;
  const { step, best, bestStep, stale } = value;
  const numbers = best === null ? [step, stale] : [step, stale, best, bestStep];
  if (!numbers.every(Number.isFinite) || (best === null) !== (bestStep === null)) {
    throw new FormatError(
      `decodeCheckpoint: progress must hold step, best, bestStep and stale, got ${text.slice(0, 60)}. ${again}`,
    );
  }
  return { step, best, bestStep, stale };
}

/** CRC-32 of everything a file says, wherever in the file it stands; the metadata field of the checksum itself left out. */
function checksum(bytes: Uint8Array): string {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const names = Object.keys(tensors).sort();
  const words = Object.keys(metadata)
    .filter((k) => k !== 'crc32')
    .sort();
  const listing = JSON.stringify([
    words.map((k) => [k, metadata[k]]),
    names.map((n) => [n, tensors[n].dtype, tensors[n].shape]),
  ]);
  let crc = crc32(new TextEncoder().encode(listing));
  for (const name of names) crc = crc32(tensors[name].data, crc);
  return crc.toString(16).padStart(8, '0');
}

function json(what: string, value: unknown): string {
  const text = JSON.stringify(value);
  if (text === undefined)
    throw new FormatError(
      `encodeCheckpoint: ${what} must be JSON, got ${typeof value}. Pass a plain object.`,
    );
  return text;
}

function parse(what: string, text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    throw new FormatError(
      `decodeCheckpoint: ${what} must be JSON, got ${JSON.stringify(text)?.slice(0, 60) ?? 'nothing'}. ${again}`,
    );
  }
}
