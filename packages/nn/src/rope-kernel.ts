// CPU kernel of rope, for f32 and f64 arrays.
import type { CpuCall } from '@seq/tensor';

type Floats = Float32Array | Float64Array;

/** inputs x [B, T, H, D], cos and sin [1 or B, T, R/2]; output like x. */
export function ropeCpu({ inputs, outputs, attrs }: CpuCall<{ readonly interleaved: boolean }>): void {
  const [vx, vc, vs] = inputs;
  const vy = outputs[0];
  const [x, c, s, y] = [vx.data as Floats, vc.data as Floats, vs.data as Floats, vy.data as Floats];
  const [B, T, H, D] = vx.shape;
  const half = vc.shape[2];
  const shared = vc.shape[0] === 1;
  const near = attrs.interleaved ? 2 : 1; // distance between neighbouring pairs, and within a pair
  const apart = attrs.interleaved ? 1 : half;
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const angle = ((shared ? 0 : b) * T + t) * half;
      for (let h = 0; h < H; h++) {
        const row = ((b * T + t) * H + h) * D;
        const from = vx.offset + row;
        const to = vy.offset + row;
        for (let i = 0; i < half; i++) {
          const cos = c[vc.offset + angle + i];
          const sin = s[vs.offset + angle + i];
          const p = x[from + i * near];
          const q = x[from + i * near + apart];
          y[to + i * near] = p * cos - q * sin;
          y[to + i * near + apart] = q * cos + p * sin;
        }
        for (let i = 2 * half; i < D; i++) y[to + i] = x[from + i];
      }
    }
  }
}
