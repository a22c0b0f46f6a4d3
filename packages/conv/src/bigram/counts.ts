import { OptionError } from '@seq/tensor';

/**
 * Counts of neighbouring symbols.
 *
 *   c_ij = |{ t : id_t = i, id_{t+1} = j }|
 *
 * @param ids  [T]     symbols 0 … V − 1
 * @returns    [V, V]  row-major, row = first symbol
 * @throws OptionError  a symbol outside 0 … V − 1
 */
export function countBigrams(ids: ArrayLike<number>, V: number): Float64Array {
  const counts = new Float64Array(V * V);
  for (let t = 0; t < ids.length; t++) {
    const id = ids[t];
    if (!Number.isInteger(id) || id < 0 || id >= V) {
      throw new OptionError(
        `countBigrams: ids must be within 0 … ${V - 1}, got ${id} at ${t}. Check vocabSize.`,
      );
    }
    if (t > 0) counts[ids[t - 1] * V + id]++;
  }
  return counts;
}

/**
 * Log-probabilities of the next symbol with add-α smoothing: the optimum of a trained table as α → 0.
 *
 *   log p(j|i) = log (c_ij + α) − log Σ_j (c_ij + α)
 *
 * A row without any count and with α = 0 is uniform.
 *
 * @param counts  [V, V]
 * @returns       [V, V]  natural logarithms; −Infinity for what α = 0 leaves impossible
 * @throws OptionError  α < 0
 */
export function bigramLogProbs(
  counts: Float64Array,
  V: number,
  { alpha = 1 }: { readonly alpha?: number } = {},
): Float64Array {
  if (!(alpha >= 0)) throw new OptionError(`bigramLogProbs: alpha must not be negative, got ${alpha}.`);
  const out = new Float64Array(V * V);
  for (let i = 0; i < V; i++) {
    let total = 0;
    for (let j = 0; j < V; j++) total += counts[i * V + j] + alpha;
    for (let j = 0; j < V; j++) {
      out[i * V + j] = total > 0 ? Math.log((counts[i * V + j] + alpha) / total) : -Math.log(V);
    }
  }
  return out;
}
