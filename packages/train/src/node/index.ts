import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FormatError } from '@seq/tensor';
import type { Tree } from '@seq/tensor';
import { decodeCheckpoint, encodeCheckpoint } from '../checkpoint.js';
import type { Checkpoint, DecodeOptions } from '../checkpoint.js';

/**
 * Writes a file whole or not at all: to a temporary name beside it, flushed to the disk, then renamed.
 *
 * Whoever reads `path` sees the old file or the new one, never a part; after a crash a `.tmp` file may be left over.
 *
 * @throws what the file system throws (no space, no permission); the old file is then untouched
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2, 8)}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes a rename last through a power cut, where the system can. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // Windows cannot open folders; the file itself is flushed already.
  }
}

/**
 * Saves a checkpoint, whole or not at all; see `encodeCheckpoint` and `writeFileAtomically`.
 *
 * @throws FormatError  trees that cannot be saved; and what the file system throws
 */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeFileAtomically(path, await encodeCheckpoint(checkpoint));
}

/**
 * Loads a checkpoint; see `decodeCheckpoint`.
 *
 * @throws FormatError  no such file, a folder, a file that is damaged, cut short or of another kind
 * @throws SpecError    another spec than the one asked for
 */
export async function loadCheckpoint<P = Tree, O = Tree, S = Tree>(
  path: string,
  options: DecodeOptions = {},
): Promise<Required<Checkpoint<P, O, S>>> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FormatError(`loadCheckpoint: the file must be readable, got ${reason}. Check the path.`);
  }
  try {
    return decodeCheckpoint<P, O, S>(bytes, options);
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`${path}: ${error.message}`);
    throw error;
  }
}
