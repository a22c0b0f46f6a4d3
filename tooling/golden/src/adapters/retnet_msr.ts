import { mul, reshape, silu, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { retain, retainRowNormalized, retentionDecays } from '@seq/linear-attn';
import { linear, rmsNorm, rope } from '@seq/nn';
import type { Adapter, Inputs } from '../adapter.js';

/** Heads of a case: queries and keys turned, values, and what is behind the reading. */
interface Layer {
  /** [B, T, H, K] each */
  readonly q: Tensor;
  readonly k: Tensor;
  /** [B, T, H, V] */
  readonly v: Tensor;
  /** y [B, T, E] of readings [B, T, H, V] */
  out(o: Tensor): Tensor;
}

/**
 * MultiScaleRetention of torchscale. Its rows are divided by normalisers without gradient, which the norm of a head
 * cancels up to eps; parallel, chunked and recurrent form have unlike ones.
 */
export const retnetMsr: Adapter = (options) => {
  const width = options.number('embed_dim', NaN);
  options.number('value_dim', NaN); // that of the weights
  const H = options.number('heads', NaN);
  const chunk = options.number('chunk', 0);
  const eps = options.number('eps', 1e-6);
  options.says('rotation', /^interleaved pairs, angle 10000\^-linspace\(0,1,d\/2\)$/);
  options.says('decay', /^log\(1-2\^\(-5-h\)\)$/);
  options.says('k_scale', /^key_dim\*\*-0\.5$/);
  options.says('mask', /^decay \/ sqrt\(row sum\)$/);
  options.says('gate', /^silu\(g\) \* RMSNorm\(heads\)$/);
  const K = width / H;
  const half = K / 2;
  // 10000^(−i/(half − 1)), written as base^(−i/half).
  const base = half > 1 ? 10_000 ** (half / (half - 1)) : 10_000;

  const layer = (inputs: Inputs): Layer => {
    const x = inputs('in.x');
    const [B, T] = x.shape;
    const project = (name: string): Tensor => linear(x, { weight: inputs(`param.${name}_proj.weight`) });
    const heads = (y: Tensor): Tensor => reshape(y, [B, T, H, -1]);
    const turned = (y: Tensor): Tensor => rope(heads(y), { base, interleaved: true });
    const gate = silu(project('g'));
    return {
      q: turned(project('q')),
      k: turned(mul(project('k'), K ** -0.5)),
      v: heads(project('v')),
      out: (o) =>
        linear(mul(gate, reshape(rmsNorm(o, {}, { eps }), gate.shape)), {
          weight: inputs('param.out_proj.weight'),
        }),
    };
  };

  /** Σ_{j ≤ i} γ^{i−j} of each head, [1, T, H, 1]. */
  const rowSums = (T: number, like: Tensor): Tensor => {
    const sums = Array.from({ length: T }, (_, t) =>
      retentionDecays(H).map((g) =>
        Array.from({ length: t + 1 }, (_u, i) => Math.exp(g * i)).reduce((a, b) => a + b),
      ),
    );
    return reshape(tensor(sums, { dtype: like.dtype, device: like.device }), [1, T, H, 1]);
  };

  return {
    outputs(inputs) {
      const { q, k, v, out } = layer(inputs);
      return { y: out(retainRowNormalized(q, k, v, chunk ? { chunkSize: chunk } : {})) };
    },

    states(inputs) {
      const { q, k, v, out } = layer(inputs);
      const T = q.shape[1];
      const [o, state] = retain(q, k, v, { scale: 1 });
      const sums = rowSums(T, v);
      const last = sums.at(T - 1, 1); // [1, H, 1]
      return {
        y_step: out(o.div(sums.sqrt())),
        kv: state.div(last.expandDims(-1).sqrt()).swapAxes(2, 3),
        scale: reshape(last, [H]),
      };
    },
  };
};
