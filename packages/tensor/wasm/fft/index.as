// One pass of Stockham's Fourier transform: y[q + s (r p + k)] = w_k Σ_j x[q + s (p + j m)] e^(−2πi j k / r), r = 2 … 5.
// Columns q go by fours where s is a multiple of 4, else one at a time. The first pass by four legs has s = 1: there it is
// the p that go by fours, and the results are turned.
import { madd } from '../memory';

@inline
function ld(p: usize, vector: bool): v128 {
  return vector ? v128.load(p) : v128.load32_splat(p);
}

@inline
function st(p: usize, x: v128, vector: bool): void {
  if (vector) v128.store(p, x);
  else v128.store32_lane(p, x, 0);
}

@inline
function nmadd(a: v128, b: v128, c: v128): v128 {
  return f32x4.relaxed_nmadd(a, b, c);
}

/** Stores (re, im) times the factor (wr, wi). */
@inline
function turned(r: usize, i: usize, re: v128, im: v128, wr: v128, wi: v128, vector: bool): void {
  st(r, nmadd(im, wi, f32x4.mul(re, wr)), vector);
  st(i, madd(im, wr, f32x4.mul(re, wi)), vector);
}

@inline
function pass2(m: i32, s: i32, xr: usize, xi: usize, yr: usize, yi: usize, w: usize, vector: bool): void {
  const column = <usize>s * 4;
  const leg = <usize>m * column;
  const step: usize = vector ? 16 : 4;
  for (let p = 0; p < m; p++) {
    const wr = v128.load32_splat(w);
    const wi = v128.load32_splat(w + (<usize>m << 2));
    for (let q: usize = 0; q < column; q += step) {
      const ar = ld(xr + q, vector), ai = ld(xi + q, vector);
      const br = ld(xr + q + leg, vector), bi = ld(xi + q + leg, vector);
      st(yr + q, f32x4.add(ar, br), vector);
      st(yi + q, f32x4.add(ai, bi), vector);
      turned(yr + q + column, yi + q + column, f32x4.sub(ar, br), f32x4.sub(ai, bi), wr, wi, vector);
    }
    w += 4;
    xr += column;
    xi += column;
    yr += 2 * column;
    yi += 2 * column;
  }
}

@inline
function pass3(m: i32, s: i32, xr: usize, xi: usize, yr: usize, yi: usize, w: usize, vector: bool): void {
  const column = <usize>s * 4;
  const leg = <usize>m * column;
  const row = <usize>m * 4;
  const step: usize = vector ? 16 : 4;
  const half = f32x4.splat(-0.5);
  const root = f32x4.splat(0.8660254037844386);
  for (let p = 0; p < m; p++) {
    const w1r = v128.load32_splat(w), w1i = v128.load32_splat(w + row);
    const w2r = v128.load32_splat(w + 2 * row), w2i = v128.load32_splat(w + 3 * row);
    for (let q: usize = 0; q < column; q += step) {
      const ar = ld(xr + q, vector), ai = ld(xi + q, vector);
      const br = ld(xr + q + leg, vector), bi = ld(xi + q + leg, vector);
      const cr = ld(xr + q + 2 * leg, vector), ci = ld(xi + q + 2 * leg, vector);
      const sr = f32x4.add(br, cr), si = f32x4.add(bi, ci);
      const dr = f32x4.mul(root, f32x4.sub(br, cr)), di = f32x4.mul(root, f32x4.sub(bi, ci));
      const er = madd(half, sr, ar), ei = madd(half, si, ai);
      st(yr + q, f32x4.add(ar, sr), vector);
      st(yi + q, f32x4.add(ai, si), vector);
      turned(yr + q + column, yi + q + column, f32x4.add(er, di), f32x4.sub(ei, dr), w1r, w1i, vector);
      turned(yr + q + 2 * column, yi + q + 2 * column, f32x4.sub(er, di), f32x4.add(ei, dr), w2r, w2i, vector);
    }
    w += 4;
    xr += column;
    xi += column;
    yr += 3 * column;
    yi += 3 * column;
  }
}

@inline
function pass4(m: i32, s: i32, xr: usize, xi: usize, yr: usize, yi: usize, w: usize, vector: bool, last: bool): void {
  const column = <usize>s * 4;
  const leg = <usize>m * column;
  const row = <usize>m * 4;
  const step: usize = vector ? 16 : 4;
  for (let p = 0; p < m; p++) {
    const w1r = v128.load32_splat(w), w1i = v128.load32_splat(w + row);
    const w2r = v128.load32_splat(w + 2 * row), w2i = v128.load32_splat(w + 3 * row);
    const w3r = v128.load32_splat(w + 4 * row), w3i = v128.load32_splat(w + 5 * row);
    for (let q: usize = 0; q < column; q += step) {
      const ar = ld(xr + q, vector), ai = ld(xi + q, vector);
      const br = ld(xr + q + leg, vector), bi = ld(xi + q + leg, vector);
      const cr = ld(xr + q + 2 * leg, vector), ci = ld(xi + q + 2 * leg, vector);
      const dr = ld(xr + q + 3 * leg, vector), di = ld(xi + q + 3 * leg, vector);
      const acr = f32x4.add(ar, cr), aci = f32x4.add(ai, ci);
      const amr = f32x4.sub(ar, cr), ami = f32x4.sub(ai, ci);
      const bdr = f32x4.add(br, dr), bdi = f32x4.add(bi, di);
      const bmr = f32x4.sub(br, dr), bmi = f32x4.sub(bi, di);
      st(yr + q, f32x4.add(acr, bdr), vector);
      st(yi + q, f32x4.add(aci, bdi), vector);
      if (last) {
        st(yr + q + column, f32x4.add(amr, bmi), vector);
        st(yi + q + column, f32x4.sub(ami, bmr), vector);
        st(yr + q + 2 * column, f32x4.sub(acr, bdr), vector);
        st(yi + q + 2 * column, f32x4.sub(aci, bdi), vector);
        st(yr + q + 3 * column, f32x4.sub(amr, bmi), vector);
        st(yi + q + 3 * column, f32x4.add(ami, bmr), vector);
      } else {
        turned(yr + q + column, yi + q + column, f32x4.add(amr, bmi), f32x4.sub(ami, bmr), w1r, w1i, vector);
        turned(yr + q + 2 * column, yi + q + 2 * column, f32x4.sub(acr, bdr), f32x4.sub(aci, bdi), w2r, w2i, vector);
        turned(yr + q + 3 * column, yi + q + 3 * column, f32x4.sub(amr, bmi), f32x4.add(ami, bmr), w3r, w3i, vector);
      }
    }
    w += 4;
    xr += column;
    xi += column;
    yr += 4 * column;
    yi += 4 * column;
  }
}

/** Four rows of four, turned into four columns side by side. */
@inline
function store4x4(y: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5), cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(y, v128.shuffle<f64>(ab0, cd0, 0, 2));
  v128.store(y, v128.shuffle<f64>(ab0, cd0, 1, 3), 16);
  v128.store(y, v128.shuffle<f64>(ab1, cd1, 0, 2), 32);
  v128.store(y, v128.shuffle<f64>(ab1, cd1, 1, 3), 48);
}

/** The first pass by four legs: s = 1, m a multiple of 4. */
function first4(m: i32, xr: usize, xi: usize, yr: usize, yi: usize, w: usize): void {
  const leg = <usize>m * 4;
  for (let p = 0; p < m; p += 4) {
    const ar = v128.load(xr), ai = v128.load(xi);
    const br = v128.load(xr + leg), bi = v128.load(xi + leg);
    const cr = v128.load(xr + 2 * leg), ci = v128.load(xi + 2 * leg);
    const dr = v128.load(xr + 3 * leg), di = v128.load(xi + 3 * leg);
    const acr = f32x4.add(ar, cr), aci = f32x4.add(ai, ci);
    const amr = f32x4.sub(ar, cr), ami = f32x4.sub(ai, ci);
    const bdr = f32x4.add(br, dr), bdi = f32x4.add(bi, di);
    const bmr = f32x4.sub(br, dr), bmi = f32x4.sub(bi, di);
    const b1r = f32x4.add(amr, bmi), b1i = f32x4.sub(ami, bmr);
    const b2r = f32x4.sub(acr, bdr), b2i = f32x4.sub(aci, bdi);
    const b3r = f32x4.sub(amr, bmi), b3i = f32x4.add(ami, bmr);
    const w1r = v128.load(w), w1i = v128.load(w + leg);
    const w2r = v128.load(w + 2 * leg), w2i = v128.load(w + 3 * leg);
    const w3r = v128.load(w + 4 * leg), w3i = v128.load(w + 5 * leg);
    store4x4(yr, f32x4.add(acr, bdr), nmadd(b1i, w1i, f32x4.mul(b1r, w1r)), nmadd(b2i, w2i, f32x4.mul(b2r, w2r)), nmadd(b3i, w3i, f32x4.mul(b3r, w3r)));
    store4x4(yi, f32x4.add(aci, bdi), madd(b1i, w1r, f32x4.mul(b1r, w1i)), madd(b2i, w2r, f32x4.mul(b2r, w2i)), madd(b3i, w3r, f32x4.mul(b3r, w3i)));
    w += 16;
    xr += 16;
    xi += 16;
    yr += 64;
    yi += 64;
  }
}

@inline
function pass5(m: i32, s: i32, xr: usize, xi: usize, yr: usize, yi: usize, w: usize, vector: bool): void {
  const column = <usize>s * 4;
  const leg = <usize>m * column;
  const row = <usize>m * 4;
  const step: usize = vector ? 16 : 4;
  const c1 = f32x4.splat(0.30901699437494745), c2 = f32x4.splat(-0.8090169943749475);
  const s1 = f32x4.splat(0.9510565162951535), s2 = f32x4.splat(0.5877852522924731);
  for (let p = 0; p < m; p++) {
    for (let q: usize = 0; q < column; q += step) {
      const ar = ld(xr + q, vector), ai = ld(xi + q, vector);
      const br = ld(xr + q + leg, vector), bi = ld(xi + q + leg, vector);
      const cr = ld(xr + q + 2 * leg, vector), ci = ld(xi + q + 2 * leg, vector);
      const dr = ld(xr + q + 3 * leg, vector), di = ld(xi + q + 3 * leg, vector);
      const er = ld(xr + q + 4 * leg, vector), ei = ld(xi + q + 4 * leg, vector);
      const ber = f32x4.add(br, er), bei = f32x4.add(bi, ei), bmr = f32x4.sub(br, er), bmi = f32x4.sub(bi, ei);
      const cdr = f32x4.add(cr, dr), cdi = f32x4.add(ci, di), cmr = f32x4.sub(cr, dr), cmi = f32x4.sub(ci, di);
      st(yr + q, f32x4.add(ar, f32x4.add(ber, cdr)), vector);
      st(yi + q, f32x4.add(ai, f32x4.add(bei, cdi)), vector);
      const ur = madd(c1, ber, madd(c2, cdr, ar)), ui = madd(c1, bei, madd(c2, cdi, ai));
      const vr = madd(c2, ber, madd(c1, cdr, ar)), vi = madd(c2, bei, madd(c1, cdi, ai));
      const gr = madd(s1, bmr, f32x4.mul(s2, cmr)), gi = madd(s1, bmi, f32x4.mul(s2, cmi));
      const hr = nmadd(s1, cmr, f32x4.mul(s2, bmr)), hi = nmadd(s1, cmi, f32x4.mul(s2, bmi));
      const r = yr + q, i = yi + q;
      turned(r + column, i + column, f32x4.add(ur, gi), f32x4.sub(ui, gr), v128.load32_splat(w), v128.load32_splat(w + row), vector);
      turned(r + 2 * column, i + 2 * column, f32x4.add(vr, hi), f32x4.sub(vi, hr), v128.load32_splat(w + 2 * row), v128.load32_splat(w + 3 * row), vector);
      turned(r + 3 * column, i + 3 * column, f32x4.sub(vr, hi), f32x4.add(vi, hr), v128.load32_splat(w + 4 * row), v128.load32_splat(w + 5 * row), vector);
      turned(r + 4 * column, i + 4 * column, f32x4.sub(ur, gi), f32x4.add(ui, gr), v128.load32_splat(w + 6 * row), v128.load32_splat(w + 7 * row), vector);
    }
    w += 4;
    xr += column;
    xi += column;
    yr += 5 * column;
    yi += 5 * column;
  }
}

/** One pass; w are the factors of the legs 1 … radix − 1, m real parts and m imaginary parts each. */
export function fftStage(radix: i32, m: i32, s: i32, xr: usize, xi: usize, yr: usize, yi: usize, w: usize): void {
  const vector = (s & 3) == 0;
  if (radix == 4) {
    if (s == 1 && (m & 3) == 0) first4(m, xr, xi, yr, yi, w);
    else if (!vector) pass4(m, s, xr, xi, yr, yi, w, false, false);
    else if (m == 1) pass4(m, s, xr, xi, yr, yi, w, true, true);
    else pass4(m, s, xr, xi, yr, yi, w, true, false);
  } else if (radix == 3) {
    if (vector) pass3(m, s, xr, xi, yr, yi, w, true);
    else pass3(m, s, xr, xi, yr, yi, w, false);
  } else if (radix == 5) {
    if (vector) pass5(m, s, xr, xi, yr, yi, w, true);
    else pass5(m, s, xr, xi, yr, yi, w, false);
  } else if (vector) pass2(m, s, xr, xi, yr, yi, w, true);
  else pass2(m, s, xr, xi, yr, yi, w, false);
}
