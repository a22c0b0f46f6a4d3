import type { DType } from '../engine/dtype.js';
import { MemoryError } from '../engine/errors.js';
import type { Program } from '../engine/program.js';
import type { Storage, Value } from '../engine/value.js';
import { matmulOp } from '../ops/matmul.js';
import type { Heap } from './heap.js';
import type { CpuBuffer } from './memory.js';

/** A matrix among the arguments of a program that one or two rows are multiplied with, its columns side by side. */
export interface RowProduct {
  readonly instruction: number;
  readonly input: number;
  readonly offset: number;
  /** The matrix is [k, n]. */
  readonly k: number;
  readonly n: number;
  /** Elements from one column to the next. */
  readonly column: number;
}

/** Below this many elements a matrix stays in the caches, where its layout matters little. */
const LARGE = 32768;
/** Runs with the same values before they are packed. */
const PATIENCE = 2;

/** The products of a program that would gain from packed matrices, as those of decoding do. */
export function rowProducts({ instructions, slots, overwrittenAt }: Program): RowProduct[] {
  return instructions.flatMap(({ op, inputs }, instruction): RowProduct[] => {
    if (op !== matmulOp) return [];
    const [a, b] = [inputs[0].layout.shape, inputs[1].layout];
    const { aval, home } = slots[inputs[1].slot];
    if (a.length !== 2 || b.shape.length !== 2 || aval.dtype !== 'f32' || home.kind !== 'input') return [];
    const [k, n] = b.shape;
    const turned = b.strides[0] === 1 && b.strides[1] !== 1;
    if (!turned || a[0] > 2 || n * k < LARGE || overwrittenAt[home.index] !== Infinity) return [];
    return [{ instruction, input: home.index, offset: b.offset, k, n, column: b.strides[1] }];
  });
}

interface Packed {
  runs: number;
  buffer: CpuBuffer | null;
}

/**
 * Matrices in the strips of `packColumns`, beside the values they were made of, for as long as these live. A product of one
 * row reads every element of its matrix once: what counts is that they come one after the other.
 */
export class PackedMatrices {
  readonly #of = new Map<Storage, Map<string, Packed>>();
  readonly #allocate: (dtype: DType, length: number) => CpuBuffer;
  readonly #free: (buffer: CpuBuffer) => void;

  constructor(allocate: (dtype: DType, length: number) => CpuBuffer, free: (buffer: CpuBuffer) => void) {
    this.#allocate = allocate;
    this.#free = free;
  }

  /** The address of the packed matrix, 0 as long as there is none. May allocate: views die. */
  address(heap: Heap, { k, n, column, offset }: RowProduct, { storage, offset: first }: Value): number {
    let all = this.#of.get(storage);
    if (all === undefined) this.#of.set(storage, (all = new Map()));
    const key = `${first + offset} ${k} ${n} ${column}`;
    let packed = all.get(key);
    if (packed === undefined) all.set(key, (packed = { runs: 0, buffer: null }));
    if (packed.runs++ === PATIENCE) {
      try {
        packed.buffer = this.#allocate('f32', k * 8 * Math.ceil(n / 8));
        const source = (storage.buffer as CpuBuffer).byteOffset + 4 * (first + offset);
        heap.kernels.packColumns(packed.buffer.byteOffset, n, k, source, 1, column);
      } catch (error) {
        // Without room the matrix is read where it lies.
        if (!(error instanceof MemoryError)) throw error;
      }
    }
    return packed.buffer?.byteOffset ?? 0;
  }

  /** The values are gone. */
  drop(storage: Storage): void {
    const all = this.#of.get(storage);
    if (all === undefined) return;
    this.#of.delete(storage);
    for (const { buffer } of all.values()) if (buffer !== null) this.#free(buffer);
  }
}
