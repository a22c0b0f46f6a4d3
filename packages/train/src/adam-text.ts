/**
 * WGSL: what all elements of an update share, `hyper_of()`, from the input `hyper` and the parameters log1, log2 and
 * sign; `lost` is 1 − eˣ for x ≤ 0 without cancellation.
 */
export const hyperText = `
struct Hyper { lr: f32, sign: f32, size: f32, root: f32 }
fn lost(x: f32) -> f32 {
  let series = 1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0))));
  return select(1.0 - exp(max(x, -100.0)), -x * series, x > -0.3);
}
fn hyper_of() -> Hyper {
  let t = hyper(1u);
  return Hyper(hyper(0u), p.sign * hyper(2u), hyper(0u) / lost(t * p.log1), sqrt(lost(t * p.log2)));
}`;
