import { at, concat, exp, expandDims, linearRecurrence, mul, silu, slice, softplus, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { operandsOf, scanSizes } from './shape.js';
import type { ScanAttrs } from './shape.js';

/** B or C [B, T, G, N] as [B, T, C, N], or [C, N], which broadcasts. */
function spread(x: Tensor, C: number): Tensor {
  if (x.shape.length === 2) return x;
  const [B, T, G, N] = x.shape;
  return x
    .expandDims(3)
    .broadcastTo([B, T, G, C / G, N])
    .reshape([B, T, C, N]);
}

/** The scan as a composite that writes all states out: y, the last state and the states at the beginning of each chunk. */
export function scanReference(list: readonly Tensor[], attrs: ScanAttrs): Tensor[] {
  const { u, delta, A, Bs, Cs, h0, D, z, bias } = operandsOf(list, attrs);
  const { B, T, C, N, L, K } = scanSizes(list);
  const raw = bias ? delta.add(bias) : delta;
  const steps = expandDims(attrs.softplus ? softplus(raw) : raw, 3);
  const input = mul(mul(steps, expandDims(u, 3)), spread(Bs, C));
  const h = linearRecurrence(exp(mul(steps, A)), input, { initial: h0 });
  let y = sum(mul(h, spread(Cs, C)), 3);
  if (D) y = y.add(D.mul(u));
  if (z) y = y.mul(silu(z));
  const all = concat([expandDims(h0, 1), h], 1);
  return [y, T === 0 ? h0.reshape([B, C, N]) : at(all, T, 1), slice(all, 1, 0, (K - 1) * L + 1, L)];
}
