import { gather, OptionError, scope, ShapeError, show, tensor, transpose } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';

/** Options of `t5RelativeBuckets`. */
export interface T5BucketOptions {
  /** N. Default 32. */
  readonly numBuckets?: number;
  /** Distances from here on share the last bucket of their direction. Default 128. */
  readonly maxDistance?: number;
  /** True: keys ahead count as distance 0, and all buckets are for the past. Default false: half of them for either direction. */
  readonly causal?: boolean;
  readonly device?: Device;
}

/**
 * Which bucket each distance between query and key falls into: one each for small distances, logarithmically wider
 * ones for large.
 *
 *   n = p_i − j,   p_i = i + S − T,   E = N/2 if causal, else N/4 for each of two directions
 *   bucket = n                                                        for n < E
 *            min(2E − 1, E + ⌊E log(n / E) / log(maxDistance / E)⌋)   for n ≥ E,   and 2E more for keys ahead
 *
 * @param T        queries, the last at the last key
 * @param S        keys
 * @param options  numBuckets, maxDistance, causal, device
 * @returns        [T, S] i32 in 0 … N − 1
 * @throws OptionError  numBuckets that cannot be halved (twice, unless causal), maxDistance ≤ E
 * @see Raffel et al. 2020, arXiv:1910.10683, section 2.1
 */
export function t5RelativeBuckets(
  T: number,
  S: number,
  { numBuckets = 32, maxDistance = 128, causal = false, device }: T5BucketOptions = {},
): Tensor {
  const exact = causal ? numBuckets / 2 : numBuckets / 4;
  if (!Number.isInteger(exact) || exact < 1)
    throw new OptionError(
      `t5RelativeBuckets: numBuckets must be a positive multiple of ${causal ? 2 : 4}, got ${numBuckets}. T5 takes 32.`,
    );
  if (!(maxDistance > exact))
    throw new OptionError(
      `t5RelativeBuckets: maxDistance must be above the ${exact} distances with buckets of their own, got ${maxDistance}. T5 takes 128.`,
    );
  const perOctave = exact / Math.log2(maxDistance / exact);
  const bucketOf = (n: number): number =>
    n < exact ? n : Math.min(2 * exact - 1, exact + Math.floor(Math.log2(n / exact) * perOctave));
  const buckets = new Int32Array(T * S);
  for (let i = 0; i < T; i++)
    for (let j = 0; j < S; j++) {
      const n = i + S - T - j;
      buckets[i * S + j] = causal
        ? bucketOf(Math.max(0, n))
        : bucketOf(Math.abs(n)) + (n < 0 ? 2 * exact : 0);
    }
  return tensor(buckets, { shape: [T, S], ...(device && { device }) });
}

/**
 * Relative position bias of T5: a learned number per head and bucket of distances, for `bias` of `attend`.
 *
 *   bias_hij = embedding[bucket(i + S − T − j), h]
 *
 * @param embedding  [N, H]  N is the number of buckets
 * @param T          queries, the last at the last key; 1 in a step behind a cache
 * @param S          keys
 * @param options    maxDistance, causal
 * @returns          [H, T, S]
 * @throws ShapeError   embedding that is not [N, H]
 * @throws OptionError  as `t5RelativeBuckets`
 * @see Raffel et al. 2020, arXiv:1910.10683, section 2.1; T5 scales no scores: give `attend` scale 1 beside it
 */
export function t5RelativeBias(
  embedding: Tensor,
  T: number,
  S: number,
  options: Omit<T5BucketOptions, 'numBuckets' | 'device'> = {},
): Tensor {
  if (embedding.ndim !== 2)
    throw new ShapeError(
      `t5RelativeBias: embedding must be [N, H], got ${show(embedding.shape)}. One row per bucket, one column per head.`,
    );
  return scope(() => {
    const { device } = embedding;
    const buckets = t5RelativeBuckets(T, S, { ...options, numBuckets: embedding.shape[0], device });
    return transpose(gather(embedding, buckets, 0), [2, 0, 1]);
  });
}
