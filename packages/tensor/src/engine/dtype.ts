/** Element type of a tensor. `f64` exists on the CPU for gradient checks; `f16` is a storage type. */
export type DType = 'f32' | 'f64' | 'f16' | 'i32' | 'u32' | 'bool';

/** Sizes of the axes, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** What a buffer looks like from JavaScript. `f16` is held as bits in a Uint16Array, `bool` as 0 or 1 in a Uint8Array. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Int32Array | Uint32Array | Uint8Array;

/** Shape and element type: what shape rules see of a tensor. */
export interface Aval {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  return dtype === 'f64' ? 8 : dtype === 'bool' ? 1 : dtype === 'f16' ? 2 : 4;
}

/** True for the types that have gradients. */
export function isFloat(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f64' || dtype === 'f16';
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** A typed array of `length` elements over `buffer`. */
export function typedView(
  dtype: DType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): TypedArray {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, byteOffset, length);
    case 'f64':
      return new Float64Array(buffer, byteOffset, length);
    case 'f16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'i32':
      return new Int32Array(buffer, byteOffset, length);
    case 'u32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'bool':
      return new Uint8Array(buffer, byteOffset, length);
  }
}
