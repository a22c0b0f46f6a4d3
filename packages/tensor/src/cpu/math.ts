const pp = [
  1.28379167095512558561e-1, -3.2504210724700149937e-1, -2.84817495755985104766e-2,
  -5.77027029648944159157e-3, -2.37630166566501626084e-5,
];
const qq = [
  1, 3.97917223959155352819e-1, 6.50222499887672944485e-2, 5.08130628187576562776e-3,
  1.32494738004321644526e-4, -3.9602282787753681232e-6,
];
const pa = [
  -2.36211856075265944077e-3, 4.14856118683748331666e-1, -3.72207876035701323847e-1,
  3.18346619901161753674e-1, -1.10894694282396677476e-1, 3.54783043256182359371e-2, -2.166375594868790843e-3,
];
const qa = [
  1, 1.06420880400844228286e-1, 5.40397917702171048937e-1, 7.18286544141962662868e-2,
  1.26171219808761642112e-1, 1.36370839120290507362e-2, 1.1984499846799107417e-2,
];
const ra = [
  -9.86494403484714822705e-3, -6.93858572707181764372e-1, -1.05586262253232909814e1,
  -6.23753324503260060396e1, -1.62396669462573470355e2, -1.84605092906711035994e2, -8.12874355063065934246e1,
  -9.81432934416914548592,
];
const sa = [
  1, 1.96512716674392571292e1, 1.376577541435190426e2, 4.34565877475229228821e2, 6.45387271733267880336e2,
  4.29008140027567833386e2, 1.08635005541779435134e2, 6.57024977031928170135, -6.04244152148580987438e-2,
];
const rb = [
  -9.86494292470009928597e-3, -7.99283237680523006574e-1, -1.77579549177547519889e1,
  -1.60636384855821916062e2, -6.37566443368389627722e2, -1.02509513161107724954e3, -4.83519191608651397019e2,
];
const sb = [
  1, 3.03380607434824582924e1, 3.25792512996573918826e2, 1.53672958608443695994e3, 3.19985821950859553908e3,
  2.55305040643316442583e3, 4.74528541206955367215e2, -2.24409524465858183362e1,
];
const erfOne = 8.45062911510467529297e-1;

function poly(c: readonly number[], x: number): number {
  let y = 0;
  for (let i = c.length - 1; i >= 0; i--) y = y * x + c[i];
  return y;
}

/**
 * Error function 2/√π ∫₀ˣ exp(−t²) dt, to about 1e-15.
 *
 * Rational approximations on four intervals with the published coefficients of FDLIBM (Sun Microsystems, 1993).
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 0.84375) return x + x * (poly(pp, x * x) / poly(qq, x * x));
  let y: number;
  if (a < 1.25) y = erfOne + poly(pa, a - 1) / poly(qa, a - 1);
  else if (a < 6) {
    const s = 1 / (a * a);
    const r = a < 1 / 0.35 ? poly(ra, s) / poly(sa, s) : poly(rb, s) / poly(sb, s);
    y = 1 - Math.exp(-a * a - 0.5625 + r) / a;
  } else y = a >= 6 ? 1 : NaN;
  return x < 0 ? -y : y;
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
