/**
 * Functions of one or two numbers in WGSL, about as exact as f32 allows, without relying on an infinity or NaN
 * made by arithmetic. Names begin with `m_`; `mathOf` gives those that a text uses.
 *
 * The polynomials were fitted here to the functions in double precision, relative error below 1e-7 unless said.
 */
const functions: { readonly [name: string]: string } = {
  // A number from its bits; never evaluated by the compiler, which would refuse NaN and infinity.
  m_f32: 'fn m_f32(bits: u32) -> f32 { return bitcast<f32>(bits); }',
  m_nan: 'fn m_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }',
  m_finite: 'fn m_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }',
  // True when neither is NaN.
  m_ordered: `fn m_ordered(a: f32, b: f32) -> bool {
  return max(bitcast<u32>(a) & 0x7fffffffu, bitcast<u32>(b) & 0x7fffffffu) <= 0x7f800000u;
}`,
  m_max: 'fn m_max(a: f32, b: f32) -> f32 { return select(select(b, a, a > b || m_nan(a)), b, m_nan(b)); }',
  m_min: 'fn m_min(a: f32, b: f32) -> f32 { return select(select(b, a, a < b || m_nan(a)), b, m_nan(b)); }',
  m_sign: 'fn m_sign(x: f32) -> f32 { return select(select(-1.0, 1.0, x > 0.0), x, x == 0.0 || m_nan(x)); }',
  // Upper 32 bits of a product.
  m_mulhi: `fn m_mulhi(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu; let ah = a >> 16u; let bl = b & 0xffffu; let bh = b >> 16u;
  let mid = ah * bl + ((al * bl) >> 16u);
  return ah * bh + (mid >> 16u) + (((mid & 0xffffu) + al * bh) >> 16u);
}`,
  // x 2^k for −252 ≤ k ≤ 254: two factors, each a normal number.
  m_scale: `fn m_scale(x: f32, k: i32) -> f32 {
  let h = k >> 1u;
  return x * bitcast<f32>(u32(h + 127) << 23u) * bitcast<f32>(u32(k - h + 127) << 23u);
}`,
  // (e^r − 1 − r) / r² for |r| ≤ ½ ln 2.
  m_expTail: `fn m_expTail(r: f32) -> f32 {
  return fma(fma(fma(fma(0.001390128287, r, 0.008363144919), r, 0.04166685345), r, 0.1666657729), r, 0.4999999955);
}`,
  m_exp: `fn m_exp(x: f32) -> f32 {
  let c = clamp(x, -104.0, 89.0);
  let k = round(c * 1.44269504);
  // Another name of k, so that no compiler adds the two parts of ln 2 first.
  let i = i32(k);
  let r = fma(f32(i), -1.42860677e-6, fma(k, -0.693145751953125, c));
  let y = m_scale(1.0 + fma(r * r, m_expTail(r), r), i);
  return select(select(y, m_f32(0x7f800000u), x > 88.7228394), x, m_nan(x));
}`,
  m_expm1: `fn m_expm1(x: f32) -> f32 {
  return select(m_exp(x) - 1.0, fma(x * x, m_expTail(x), x), abs(x) < 0.3465);
}`,
  // log((1 + s) / (1 − s)) for |s| < 0.1716.
  m_logOdds: `fn m_logOdds(s: f32) -> f32 {
  let z = s * s;
  return 2.0 * s + s * z * fma(fma(fma(0.2333150719, z, 0.2855077847), z, 0.4000012227), z, 0.6666666655);
}`,
  // x = 2^e m with √½ ≤ m < √2.
  m_log: `fn m_log(x: f32) -> f32 {
  let tiny = x < 0x1p-126f;
  let b = bitcast<u32>(select(x, x * 8388608.0, tiny));
  let e = bitcast<i32>(b - 0x3f3504f3u) >> 23u;
  let f = bitcast<f32>(b - (bitcast<u32>(e) << 23u)) - 1.0;
  let k = f32(select(e, e - 23, tiny));
  let y = fma(k, 0.693145751953125, fma(k, 1.42860677e-6, m_logOdds(f / (2.0 + f))));
  let bits = bitcast<u32>(x);
  let special = select(m_f32(0x7fc00000u), x, bits == 0x7f800000u);
  return select(select(y, special, bits >= 0x7f800000u), m_f32(0xff800000u), x == 0.0);
}`,
  m_log1p: `fn m_log1p(x: f32) -> f32 {
  if (x > -0.2928 && x < 0.4142) { return m_logOdds(x / (2.0 + x)); }
  return m_log(1.0 + x);
}`,
  m_tanh: `fn m_tanh(x: f32) -> f32 {
  let t = m_expm1(min(2.0 * abs(x), 20.0));
  let y = t / (t + 2.0);
  return select(select(y, -y, x < 0.0), x, m_nan(x));
}`,
  m_sigmoid: `fn m_sigmoid(x: f32) -> f32 {
  let e = m_exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}`,
  m_softplus: 'fn m_softplus(x: f32) -> f32 { return select(0.0, x, x > 0.0) + m_log1p(m_exp(-abs(x))); }',
  // x tanh(softplus x) = x n (n + 2) / (n (n + 2) + 2), n = e^x.
  m_mish: `fn m_mish(x: f32) -> f32 {
  let n = m_exp(min(x, 20.0));
  let q = n * (n + 2.0);
  return select(x * (q / (q + 2.0)), x, x > 20.0 || m_nan(x));
}`,
  m_geluTanh: `fn m_geluTanh(x: f32) -> f32 {
  return select(x * m_sigmoid(1.5957691216 * fma(0.044715 * x * x, x, x)), -0.0, x < -200.0);
}`,
  m_silu: 'fn m_silu(x: f32) -> f32 { return select(x * m_sigmoid(x), -0.0, x < -200.0); }',
  // 1 − erf a for a ≥ 0.9; a² is split, so that e^−a² keeps its relative error.
  m_erfc: `fn m_erfc(x: f32) -> f32 {
  let a = min(x, 10.5);
  let h = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
  let t = 1.0 / fma(0.5, a, 1.0);
  var y = -0.04271997468;
  y = fma(y, t, 0.2337314395); y = fma(y, t, -0.4223163241); y = fma(y, t, 0.2345813167);
  y = fma(y, t, -0.01049616215); y = fma(y, t, 0.1995840591); y = fma(y, t, 0.2433108932);
  y = fma(y, t, 0.2823930355); y = fma(y, t, 0.2820839887);
  return m_exp(-h * h) * m_exp((h - a) * (h + a)) * t * y;
}`,
  // erf x for |x| < 0.9.
  m_erfSmall: `fn m_erfSmall(x: f32) -> f32 {
  let z = x * x;
  var y = 8.513102247e-5;
  y = fma(y, z, -8.175638851e-4); y = fma(y, z, 5.203859120e-3); y = fma(y, z, -0.02686050845);
  y = fma(y, z, 0.1128371503); y = fma(y, z, -0.3761263498); y = fma(y, z, 1.128379167);
  return x * y;
}`,
  m_erf: `fn m_erf(x: f32) -> f32 {
  let a = abs(x);
  if (a < 0.9 || m_nan(x)) { return m_erfSmall(x); }
  let y = 1.0 - m_erfc(a);
  return select(y, -y, x < 0.0);
}`,
  m_gelu: `fn m_gelu(x: f32) -> f32 {
  let u = x * 0.70710678;
  let a = abs(u);
  if (a < 0.9 || m_nan(x)) { return 0.5 * x * (1.0 + m_erfSmall(u)); }
  let tail = 0.5 * m_erfc(a);
  return select(x * select(1.0 - tail, tail, x < 0.0), -0.0, x < -200.0);
}`,
  // erf⁻¹ x given q = (1 − x)(1 + x): x times a function of w = −log q; relative error below 6e-7 down to q = 1e-16.
  m_erfinvOf: `fn m_erfinvOf(x: f32, q: f32) -> f32 {
  let w = -m_log(q);
  if (w < 5.0) {
    let v = w - 2.5;
    var y = 2.853479004e-8;
    y = fma(y, v, 3.437270596e-7); y = fma(y, v, -3.528859550e-6); y = fma(y, v, -4.396781252e-6);
    y = fma(y, v, 2.186021940e-4); y = fma(y, v, -1.253707515e-3); y = fma(y, v, -4.177707745e-3);
    y = fma(y, v, 0.2466407261); y = fma(y, v, 1.501409422);
    return x * y;
  }
  let v = sqrt(w) - 4.0;
  var y = -1.620571459e-6;
  y = fma(y, v, -5.233320292e-7); y = fma(y, v, 3.455707762e-5); y = fma(y, v, -7.341817523e-5);
  y = fma(y, v, 3.118053523e-5); y = fma(y, v, -4.737276668e-5); y = fma(y, v, 3.402514754e-4);
  y = fma(y, v, -9.161166911e-4); y = fma(y, v, 1.252758286e-3); y = fma(y, v, 1.009501868);
  y = fma(y, v, 3.839784338);
  return x * y;
}`,
  m_erfinv: `fn m_erfinv(x: f32) -> f32 {
  let a = abs(x);
  if (a < 1.0) { return m_erfinvOf(x, (1.0 - x) * (1.0 + x)); }
  let sign = bitcast<u32>(x) & 0x80000000u;
  return m_f32(select(0x7fc00000u, 0x7f800000u | sign, a == 1.0));
}`,
  // sin and cos of |r| ≤ π/4.
  m_sinCos: `fn m_sinCos(r: f32) -> vec2<f32> {
  let z = r * r;
  let s = fma(r * z, fma(fma(-1.958733994e-4, z, 8.332744897e-3), z, -0.1666666464), r);
  let c = fma(z * z, fma(fma(2.454758761e-5, z, -1.388830088e-3), z, 0.04166666464), fma(-0.5, z, 1.0));
  return vec2<f32>(s, c);
}`,
  // x = k π/2 + r → (r, k mod 4). π/2 in three parts below 8192; above, the product of x with 64 of the bits of 2/π
  // in integers, as Payne and Hanek (1983).
  m_quarter: `fn m_quarter(x: f32) -> vec2<f32> {
  let a = abs(x);
  var r: f32;
  var k: i32;
  if (a < 8192.0) {
    let q = round(a * 0.636619772);
    k = i32(q);
    // Three names of q, so that no compiler adds the parts first.
    r = fma(f32(k), -4.837512969970703125e-4, fma(q, -1.5703125, a));
    r = fma(f32(u32(q)), -7.549789949e-8, r);
  } else {
    var bits = array<u32, 7>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u);
    let b = bitcast<u32>(a);
    let m = (b & 0x7fffffu) | 0x800000u;
    let at = min(b >> 23u, 254u) - 120u;
    let j = at >> 5u;
    let s = at & 31u;
    let w0 = (bits[j] << s) | ((bits[j + 1u] >> 1u) >> (31u - s));
    let w1 = (bits[j + 1u] << s) | ((bits[j + 2u] >> 1u) >> (31u - s));
    // Turns in units of 2⁻³².
    let turns = m * w0 + m_mulhi(m, w1);
    let q = (turns + 0x20000000u) >> 30u;
    let rest = bitcast<i32>(turns - (q << 30u));
    r = fma(f32(m * w1), 2.3283064e-10, f32(rest)) * 1.46291808e-9;
    k = i32(q);
  }
  let negative = x < 0.0;
  return vec2<f32>(select(r, -r, negative), f32(select(k, -k, negative) & 3));
}`,
  m_sin: `fn m_sin(x: f32) -> f32 {
  let q = m_quarter(x);
  let sc = m_sinCos(q.x);
  let k = u32(q.y);
  let y = select(sc.x, sc.y, (k & 1u) == 1u);
  return select(m_f32(0x7fc00000u), select(y, -y, k >= 2u), m_finite(x));
}`,
  m_cos: `fn m_cos(x: f32) -> f32 {
  let q = m_quarter(x);
  let sc = m_sinCos(q.x);
  let k = u32(q.y);
  let y = select(sc.y, sc.x, (k & 1u) == 1u);
  return select(m_f32(0x7fc00000u), select(y, -y, k == 1u || k == 2u), m_finite(x));
}`,
  m_tan: `fn m_tan(x: f32) -> f32 {
  let q = m_quarter(x);
  let sc = m_sinCos(q.x);
  let odd = (u32(q.y) & 1u) == 1u;
  return select(m_f32(0x7fc00000u), select(sc.x, -sc.y, odd) / select(sc.y, sc.x, odd), m_finite(x));
}`,
  // a^b for a > 0, both finite: log2 a in two parts of which the first has 12 bits, so that its product with the
  // upper 12 bits of b is exact.
  m_powOf: `fn m_powOf(a: f32, b: f32) -> f32 {
  let tiny = a < 0x1p-126f;
  let bits = bitcast<u32>(select(a, a * 8388608.0, tiny));
  let e = bitcast<i32>(bits - 0x3f3504f3u) >> 23u;
  let m = bitcast<f32>(bits - (bitcast<u32>(e) << 23u));
  let k = f32(select(e, e - 23, tiny));
  let f = m - 1.0;
  let d = m + 1.0;
  let s = f / d;
  let sh = bitcast<f32>(bitcast<u32>(s) & 0xfffff000u);
  // s = sh + sl, sl from the exact remainder f − sh (2 + f).
  let fh = bitcast<f32>(bitcast<u32>(f) & 0xfffff000u);
  let sl = (((f - 2.0 * sh) - sh * fh) - sh * (f - fh)) / d;
  let z = s * s;
  let tail = 2.0 * sl + s * z * fma(fma(fma(0.2333150719, z, 0.2855077847), z, 0.4000012227), z, 0.6666666655);
  // 1 / ln 2 = 1.442382812 + 3.1222837e-4.
  let high = 1.4423828125 * (2.0 * sh);
  let low = fma(3.1222838896e-4, 2.0 * sh, 1.44269504 * tail);
  let sum = k + (high + low);
  let zh = bitcast<f32>(bitcast<u32>(sum) & 0xfffff000u);
  let zl = (high - (zh - k)) + low;
  let bh = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
  let wh = bh * zh;
  let wl = fma(b - bh, zh, b * zl);
  let w = wh + wl;
  if (w > 129.0) { return m_f32(0x7f800000u); }
  if (w < -151.0) { return 0.0; }
  let n = round(w);
  let r = (wh - n) + wl;
  var y = 1.540350824e-4;
  y = fma(y, r, 1.339073546e-3); y = fma(y, r, 9.618237508e-3); y = fma(y, r, 0.05550357434);
  y = fma(y, r, 0.2402264979); y = fma(y, r, 0.6931471879);
  return m_scale(fma(y, r, 1.0), i32(n));
}`,
  // As Math.pow: 1 for b = 0, NaN for |a| = 1 and b infinite, the sign of a for odd b.
  m_pow: `fn m_pow(a: f32, b: f32) -> f32 {
  let x = abs(a);
  let ib = bitcast<u32>(abs(b));
  if (ib == 0u) { return 1.0; }
  if (ib > 0x7f800000u || m_nan(a)) { return m_f32(0x7fc00000u); }
  let inf = m_f32(0x7f800000u);
  if (ib == 0x7f800000u) {
    if (x == 1.0) { return m_f32(0x7fc00000u); }
    return select(0.0, inf, (x > 1.0) == (b > 0.0));
  }
  let whole = floor(b) == b;
  let half = 0.5 * b;
  let odd = whole && abs(b) < 16777216.0 && floor(half) != half;
  let negative = bitcast<u32>(a) >= 0x80000000u;
  var y: f32;
  if (x == 0.0 || bitcast<u32>(x) == 0x7f800000u) {
    y = select(0.0, inf, (x == 0.0) == (b < 0.0));
  } else {
    if (negative && !whole) { return m_f32(0x7fc00000u); }
    y = m_powOf(x, b);
  }
  return select(y, -y, negative && odd);
}`,
  // The exact remainder with the sign of a, by long division of the mantissas.
  m_fmod: `fn m_fmod(a: f32, b: f32) -> f32 {
  let sign = bitcast<u32>(a) & 0x80000000u;
  let ua = bitcast<u32>(a) & 0x7fffffffu;
  let ub = bitcast<u32>(b) & 0x7fffffffu;
  if (ua >= 0x7f800000u || ub > 0x7f800000u || b == 0.0) { return m_f32(0x7fc00000u); }
  if (ua < ub) { return a; }
  let ea = max(ua >> 23u, 1u);
  let eb = max(ub >> 23u, 1u);
  var m = (ua & 0x7fffffu) | select(0u, 0x800000u, ua >= 0x800000u);
  let mb = (ub & 0x7fffffu) | select(0u, 0x800000u, ub >= 0x800000u);
  m = m % mb;
  for (var n = ea - eb; n > 0u && m != 0u;) {
    let s = min(n, 8u);
    m = (m << s) % mb;
    n -= s;
  }
  if (m == 0u) { return bitcast<f32>(sign); }
  // Back to a number: the leading bit to place 23, as far as the exponent allows.
  let s = min(countLeadingZeros(m) - 8u, eb - 1u);
  m = m << s;
  let e = select(0u, eb - s, m >= 0x800000u);
  return bitcast<f32>(sign | (e << 23u) | (m & 0x7fffffu));
}`,
  m_mod: `fn m_mod(a: f32, b: f32) -> f32 {
  let r = m_fmod(a, b);
  return select(r, r + b, m_ordered(r, b) && r != 0.0 && (r < 0.0) != (b < 0.0));
}`,
  m_modI: `fn m_modI(a: i32, b: i32) -> i32 {
  if (b == 0 || b == -1) { return 0; }
  let r = a % b;
  return select(r, r + b, r != 0 && (r < 0) != (b < 0));
}`,
  m_modU: `fn m_modU(a: u32, b: u32) -> u32 {
  if (b == 0u) { return 0u; }
  return a % b;
}`,
  // Nearest, halves to even, whatever the device's own conversion does.
  m_fromI: 'fn m_fromI(x: i32) -> f32 { return fma(f32(x >> 16u), 65536.0, f32(x & 0xffff)); }',
  m_fromU: 'fn m_fromU(x: u32) -> f32 { return fma(f32(x >> 16u), 65536.0, f32(x & 0xffffu)); }',
  // Truncation modulo 2³²; NaN and infinities give 0.
  m_int: `fn m_int(x: f32) -> i32 {
  let b = bitcast<u32>(x);
  let e = (b >> 23u) & 0xffu;
  let m = (b & 0x7fffffu) | 0x800000u;
  var y = 0u;
  if (e >= 127u && e < 150u) { y = m >> (150u - e); }
  if (e >= 150u && e < 182u) { y = m << (e - 150u); }
  return bitcast<i32>(select(y, 0u - y, b >= 0x80000000u));
}`,
};

/** The functions that a text uses and those that they use. */
export function mathOf(text: string): string {
  const found = new Set<string>();
  const visit = (code: string): void => {
    for (const name of code.match(/\bm_\w+/g) ?? []) {
      if (found.has(name) || functions[name] === undefined) continue;
      found.add(name);
      visit(functions[name]);
    }
  };
  visit(text);
  return Object.keys(functions)
    .filter((name) => found.has(name))
    .map((name) => `${functions[name]}\n`)
    .join('');
}
