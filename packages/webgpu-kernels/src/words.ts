import type { DType, TypedArray } from '@seq/tensor';
import { typedView } from '@seq/tensor/engine';
import { tensorBytes } from './memory.js';

/** Host data as the GPU keeps it: whole words, a word per bool. */
export function wordsOf(dtype: DType, data: TypedArray): Uint8Array {
  if (dtype === 'bool') return new Uint8Array(Uint32Array.from(data).buffer);
  const out = new Uint8Array(tensorBytes(dtype, data.length));
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return out;
}

/** The other way round. */
export function elementsOf(dtype: DType, bytes: ArrayBuffer, n: number): TypedArray {
  if (dtype === 'bool') return Uint8Array.from(new Uint32Array(bytes, 0, n));
  return typedView(dtype, bytes, 0, n);
}
