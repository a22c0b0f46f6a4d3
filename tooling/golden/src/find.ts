import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A case file, and what the folder's index says of it. */
export interface CaseFile {
  /** `<family>/<case>` */
  readonly name: string;
  readonly family: string;
  readonly path: string;
  /** Size and SHA-256 that index.json lists; absent without an index. */
  readonly listed?: { readonly bytes?: number | undefined; readonly sha256?: string | undefined };
}

interface IndexEntry {
  family: string;
  case: string;
  file?: string;
  bytes?: number;
  sha256?: string;
}

/**
 * The cases of a folder `<family>/<case>.safetensors`: those that are there and those that its index.json
 * lists, by name.
 *
 * @throws Error when the folder is not there or its index cannot be read
 */
export function findCases(dir: string): CaseFile[] {
  if (!existsSync(dir) || !statSync(dir).isDirectory())
    throw new Error(`--dir: must be a folder, got ${dir}. Name one that holds <family>/<case>.safetensors.`);
  const found = new Map<string, CaseFile>();
  for (const family of readdirSync(dir, { withFileTypes: true })) {
    if (!family.isDirectory()) continue;
    for (const file of readdirSync(join(dir, family.name))) {
      if (!file.endsWith('.safetensors')) continue;
      const path = join(dir, family.name, file);
      found.set(path, {
        name: `${family.name}/${file.slice(0, -'.safetensors'.length)}`,
        family: family.name,
        path,
      });
    }
  }
  for (const { family, case: id, file, bytes, sha256 } of readIndex(dir)) {
    const path = join(dir, file ?? `${family}/${id}.safetensors`);
    found.set(path, { name: `${family}/${id}`, family, path, listed: { bytes, sha256 } });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readIndex(dir: string): IndexEntry[] {
  const path = join(dir, 'index.json');
  if (!existsSync(path)) return [];
  try {
    const index = JSON.parse(readFileSync(path, 'utf8')) as { cases_list?: IndexEntry[] };
    return index.cases_list ?? [];
  } catch (cause) {
    throw new Error(
      `--dir: index.json must be JSON, got ${path}: ${(cause as Error).message}. Repair or remove it.`,
      { cause },
    );
  }
}

/**
 * The bytes of a case.
 *
 * @throws Error when the file is not there or is not the one that the index lists
 */
export function readCase({ path, listed }: CaseFile): Uint8Array {
  if (!existsSync(path)) throw new Error(`index.json lists ${path}, which is not there`);
  const bytes = readFileSync(path);
  if (!listed) return bytes;
  if (listed.bytes !== undefined && bytes.length !== listed.bytes)
    throw new Error(
      `the file has ${bytes.length} bytes, index.json lists ${listed.bytes}: cut short or replaced`,
    );
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (listed.sha256 !== undefined && sha256 !== listed.sha256)
    throw new Error(
      `the file's SHA-256 is ${sha256}, index.json lists ${listed.sha256}: damaged or replaced`,
    );
  return bytes;
}
