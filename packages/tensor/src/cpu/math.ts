/**
 * Error function 2/√π ∫₀ˣ exp(−t²) dt, to 2e-15 of its size.
 *
 *   |x| < 2   2/√π e^−x² Σₙ x (2x²)ⁿ / (1 · 3 · 5 ⋯ (2n + 1))
 *   beyond    1 − e^−x²/√π · 1/(x + ½/(x + 1/(x + 3/2/(x + …))))
 *
 * @see Abramowitz and Stegun 1964, 7.1.6 and 7.1.14
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  const scale = (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a);
  if (a < 2) {
    let [term, sum] = [x, x];
    for (let odd = 3; Math.abs(term) > 1e-17 * Math.abs(sum); odd += 2) {
      term *= (2 * a * a) / odd;
      sum += term;
    }
    return scale * sum;
  }
  let f = a;
  for (let n = 40; n > 0; n--) f = a + n / 2 / f;
  return Math.sign(x) * (1 - scale / 2 / f);
}

/** log(1 + exp(x)) without overflow and without loss for very negative x. */
export function softplus(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}

/**
 * Inverse of erf on [−1, 1]: the closed form of Winitzki (2008) as a start, then two Halley
 * steps y ← y − f / (1 + y f) with f = (erf y − x) √π/2 exp(y²), to double precision.
 */
export function erfinv(x: number): number {
  if (!(Math.abs(x) < 1)) return Math.abs(x) === 1 ? x * Infinity : NaN;
  if (x === 0) return x;
  const a = 0.147;
  const l = Math.log1p(-x * x);
  const b = 2 / (Math.PI * a) + l / 2;
  let y = Math.sign(x) * Math.sqrt(Math.sqrt(b * b - l / a) - b);
  for (let i = 0; i < 2; i++) {
    const f = (erf(y) - x) * (Math.sqrt(Math.PI) / 2) * Math.exp(y * y);
    y -= f / (1 + y * f);
  }
  return y;
}
