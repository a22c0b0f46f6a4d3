/** A square matrix, row-major. */
export interface Matrix {
  readonly data: Float64Array;
  readonly size: number;
}

/** So many squarings leave a relative error of log(size) / 2^24. */
const squarings = 24;

/**
 * Largest singular value of a matrix: the norm by which `|M v| ≤ ‖M‖ |v|`.
 *
 *   ‖M‖² = lim_m (tr (Mᵀ M)^m)^(1/m), by squaring 24 times
 */
export function spectralNorm(m: Matrix): number {
  const largest = m.data.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
  if (largest === 0) return 0;
  const scaled = { data: m.data.map((x) => x / largest), size: m.size };
  const gram = multiply(transposed(scaled), scaled);
  return largest * Math.exp(growthOfPowers(gram) / 2);
}

/**
 * Largest modulus of an eigenvalue, by Gelfand's formula: lim_m ‖W^m‖^(1/m), by squaring 24 times.
 *
 * 0 for a nilpotent matrix.
 */
export function spectralRadius(w: Matrix): number {
  return Math.exp(growthOfPowers(w));
}

/** lim_m (log ‖M^m‖) / m in the Frobenius norm, −∞ where a power is 0. */
function growthOfPowers(m: Matrix): number {
  let power = m;
  let log = 0;
  for (let k = 0; k <= squarings; k++) {
    const norm = Math.sqrt(sumOfSquares(power.data));
    if (norm === 0) return -Infinity;
    log += Math.log(norm) / 2 ** k;
    const unit = { data: power.data.map((x) => x / norm), size: m.size };
    if (k < squarings) power = multiply(unit, unit);
  }
  return log;
}

function sumOfSquares(data: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] * data[i];
  return sum;
}

function multiply({ data: a, size: n }: Matrix, { data: b }: Matrix): Matrix {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n * n; i += n) {
    for (let k = 0; k < n; k++) {
      const x = a[i + k];
      for (let j = 0, from = k * n; j < n; j++) data[i + j] += x * b[from + j];
    }
  }
  return { data, size: n };
}

function transposed({ data, size: n }: Matrix): Matrix {
  return { data: Float64Array.from(data, (_, i) => data[(i % n) * n + Math.floor(i / n)]), size: n };
}
