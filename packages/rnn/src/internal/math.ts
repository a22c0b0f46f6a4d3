/**
 * Sigmoid and tanh over rows of a buffer, two to three times faster than by `Math.exp` and `Math.tanh`.
 *
 *   e^x = 2^(n/32) · e^r,   n = round(32 x / ln 2),   |r| ≤ ln 2 / 64
 *
 * with 2^(j/32) and 2^k from tables and e^r − 1 by its series to r⁶. Largest relative errors against
 * Math's functions: sigmoid 4e-16, tanh 5e-15 (at |x| ≈ 0.005).
 */

const perDoubling = 32;
const scale = perDoubling / Math.LN2;
/** ln 2 / 32 in two parts; n times the first is exact. */
const stepHigh = 0.021660849390173098;
const stepLow = 2.325192846878874e-12;
/** Adding and taking away 1.5 · 2^52 rounds to a whole number. */
const rounder = 6755399441055744;
const roots: Float64Array = /* @__PURE__ */ Float64Array.from(
  { length: perDoubling },
  (_, j) => 2 ** (j / perDoubling),
);
const lowest = -1075;
const powers: Float64Array = /* @__PURE__ */ Float64Array.from({ length: 2100 }, (_, k) => 2 ** (k + lowest));

/** a[from … to − 1] ← 1 / (1 + e^−a); 0 below −700, 1 above 40. */
export function sigmoidRow(a: Float64Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const x = -a[i];
    if (x > 700 || x < -40) {
      a[i] = x > 0 ? 0 : 1;
      continue;
    }
    const whole = x * scale + rounder - rounder;
    const n = whole | 0;
    const r = x - whole * stepHigh - whole * stepLow;
    const p = r + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720)))));
    const s = roots[n & 31] * powers[(n >> 5) - lowest];
    a[i] = 1 / (1 + (s + s * p));
  }
}

/** a[from … to − 1] ← tanh a = E / (E + 2) with E = e^2a − 1, which keeps its digits near 0. */
export function tanhRow(a: Float64Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const x = 2 * a[i];
    if (x > 40 || x < -40) {
      a[i] = x > 0 ? 1 : -1;
      continue;
    }
    const whole = x * scale + rounder - rounder;
    const n = whole | 0;
    const r = x - whole * stepHigh - whole * stepLow;
    const p = r + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720)))));
    const s = roots[n & 31] * powers[(n >> 5) - lowest];
    const E = s - 1 + s * p;
    a[i] = E / (E + 2);
  }
}
