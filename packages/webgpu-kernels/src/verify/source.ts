import type { Device } from '@seq/tensor';
import { tensor } from '@seq/tensor';
import type { GpuArguments } from '@seq/tensor/engine';

/** A source of arguments on a device. Equal calls in equal order give equal numbers. */
export function sourceOn(device: Device): GpuArguments {
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
