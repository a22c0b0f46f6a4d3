/** An input: uniform numbers of a fixed sequence. */
export interface Input {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** A xorshift sequence in ±0.5: the same numbers in every run. */
export function numbers(shape: readonly number[], seed: number): Input {
  const data = new Float32Array(shape.reduce((n, d) => n * d, 1));
  let s = seed * 2654435761 || 1;
  for (let i = 0; i < data.length; i++) {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    data[i] = (s >>> 8) / 2 ** 24 - 0.5;
  }
  return { shape, data };
}
