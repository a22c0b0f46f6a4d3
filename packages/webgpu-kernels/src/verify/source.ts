import type { Device, DType, Tensor } from '@seq/tensor';
import { tensor } from '@seq/tensor';

/** Makes the arguments of a case on a device: the same numbers on every device. */
export interface Source {
  /** Floats between −2 and 2, or within the bounds; f32. */
  floats(shape: readonly number[], bounds?: { low?: number; high?: number }): Tensor;
  /** Integers in [low, high); i32 unless said. */
  integers(shape: readonly number[], bounds: { low?: number; high: number; dtype?: 'i32' | 'u32' }): Tensor;
  /** Half of them true. */
  flags(shape: readonly number[]): Tensor;
  /** The numbers given. */
  given(values: readonly number[], dtype?: DType): Tensor;
}

/** A source of arguments on a device. Equal calls in equal order give equal numbers. */
export function sourceOn(device: Device): Source {
  let state = 0x2545_f491;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const many = (shape: readonly number[], f: () => number): number[] =>
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, f);
  return {
    floats: (shape, { low = -2, high = 2 } = {}) =>
      tensor(Float32Array.from(many(shape, () => low + (high - low) * next())), { device }).reshape([
        ...shape,
      ]),
    integers(shape, { low = 0, high, dtype = 'i32' }) {
      const values = many(shape, () => low + Math.floor((high - low) * next()));
      const data = dtype === 'i32' ? Int32Array.from(values) : Uint32Array.from(values);
      return tensor(data, { device, dtype }).reshape([...shape]);
    },
    flags: (shape) =>
      tensor(Uint8Array.from(many(shape, () => Number(next() < 0.5))), { device, dtype: 'bool' }).reshape([
        ...shape,
      ]),
    given(values, dtype = 'f32') {
      const data =
        dtype === 'i32'
          ? Int32Array.from(values)
          : dtype === 'u32'
            ? Uint32Array.from(values)
            : dtype === 'bool'
              ? Uint8Array.from(values)
              : Float32Array.from(values);
      return tensor(data, { device, dtype });
    },
  };
}
