// Data that was fetched once and stays outside the repository: the folder that SEQ_SHARED names, or `shared` beside it.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { loadTensors } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';

const shared = process.env['SEQ_SHARED'] ?? resolve(import.meta.dirname, '../../../../../shared');

/** A folder or file of the fetched data. */
export interface Fetched {
  readonly absent: boolean;
  /** What to add to the title of a test that needs it; says so where it is absent. */
  readonly note: string;
  bytes(...path: string[]): Uint8Array;
  json<T>(...path: string[]): T;
  /** The tensors of a safetensors file; asking for one that is not there throws. */
  tensors(...path: string[]): ReadonlyMap<string, Tensor> & { readonly need: (name: string) => Tensor };
}

/** What lies under that path of the data folder; its tensors are made on `device`, the usual one if absent. */
export function fetched(path: string, device?: Device | null): Fetched {
  const place = join(shared, 'data', path);
  const absent = !existsSync(place);
  const bytes = (...rest: string[]): Uint8Array => readFileSync(join(place, ...rest));
  return {
    absent,
    note: absent ? ` (skipped: ${place} is absent; SEQ_SHARED names another place)` : '',
    bytes,
    json: <T>(...rest: string[]) => JSON.parse(new TextDecoder().decode(bytes(...rest))) as T,
    tensors(...rest) {
      const named = loadTensors(bytes(...rest), device ? { device } : {});
      const need = (name: string): Tensor => {
        const found = named.get(name);
        if (!found) throw new Error(`${rest.join('/') || path}: no tensor ${name}`);
        return found;
      };
      return Object.assign(named, { need });
    },
  };
}

/** Largest absolute difference of two tensors of one shape; `relative` divides by |want| where that is above 1. */
export async function worst(got: Tensor, want: Tensor, how?: 'relative'): Promise<number> {
  if (got.shape.join() !== want.shape.join())
    throw new Error(`shapes [${got.shape.join(', ')}] and [${want.shape.join(', ')}] differ`);
  const difference = got.sub(want).abs();
  return (how ? difference.div(want.abs().maximum(1)) : difference).max().item();
}
