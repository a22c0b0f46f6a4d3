// One pass over a parameter for Adam and AdamW.
import { madd } from './memory';

/**
 * d = sign g + l2 p, m = β₁ m + (1 − β₁) d, v = β₂ v + (1 − β₂) d², p = keep p − step m / (√v / root + eps).
 * The six arrays may be the same in pairs, element by element.
 */
export function adam(
  pOut: usize, mOut: usize, vOut: usize, p: usize, g: usize, m: usize, v: usize, n: i32,
  beta1: f64, beta2: f64, step: f64, root: f64, eps: f64, keep: f64, l2: f64, sign: f64,
): void {
  const b1 = f32x4.splat(<f32>beta1), c1 = f32x4.splat(<f32>(1 - beta1));
  const b2 = f32x4.splat(<f32>beta2), c2 = f32x4.splat(<f32>(1 - beta2));
  const s = f32x4.splat(<f32>step), r = f32x4.splat(<f32>(1 / root)), e = f32x4.splat(<f32>eps);
  const k = f32x4.splat(<f32>keep), l = f32x4.splat(<f32>l2), f = f32x4.splat(<f32>sign);
  const bytes = <usize>n * 4;
  for (let i: usize = 0; i < bytes;) {
    const four = i + 16 <= bytes;
    const x = four ? v128.load(p + i) : v128.load32_zero(p + i);
    const y = four ? v128.load(g + i) : v128.load32_zero(g + i);
    const m0 = four ? v128.load(m + i) : v128.load32_zero(m + i);
    const v0 = four ? v128.load(v + i) : v128.load32_zero(v + i);
    const d = madd(x, l, f32x4.mul(f, y));
    const m1 = madd(m0, b1, f32x4.mul(c1, d));
    const v1 = madd(v0, b2, f32x4.mul(c2, f32x4.mul(d, d)));
    const change = f32x4.div(f32x4.mul(s, m1), madd(f32x4.sqrt(v1), r, e));
    const next = f32x4.sub(f32x4.mul(k, x), change);
    if (four) {
      v128.store(pOut + i, next);
      v128.store(mOut + i, m1);
      v128.store(vOut + i, v1);
      i += 16;
    } else {
      v128.store32_lane(pOut + i, next, 0);
      v128.store32_lane(mOut + i, m1, 0);
      v128.store32_lane(vOut + i, v1, 0);
      i += 4;
    }
  }
}
