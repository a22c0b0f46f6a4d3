import { concat, expandDims, full, mul, softmax, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import {
  eluPlusOne,
  expFeatures,
  linearAttend,
  linearAttendAll,
  performerFeatures,
  reluFeatures,
} from '@seq/linear-attn';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';
import { optional } from '../over-last.js';

/** naive_recurrent_linear_attn of flash-linear-attention, and the layers of fast-transformers, whose feature map is inside. */
export const linearAttention: Adapter = (options, golden) => {
  const causal = options.flag('causal', true);
  const phi = featureMap(options.text('feature_map', 'identity'));
  const fast = options.given('eps'); // fast-transformers: always a quotient, no scale
  const normalize = options.flag('normalize', fast);
  const eps = options.number('eps', 1e-10);
  options.says(
    'normalizer',
    normalize
      ? fast
        ? /^1\/\(phi\(q\)\.sum phi\(k\) \+ [\d.e-]+\), no scale$/
        : /cumsum\(k\) \+ 1e-10\)$/
      : /^none$/,
  );
  const numeric = typeof golden.options['scale'] === 'number';
  const given = numeric ? options.number('scale', 1) : undefined;
  if (!numeric) options.says('scale', /^K\*\*-0\.5$/);
  return {
    outputs(inputs): Record<string, Tensor> {
      const [q, k, v] = [phi(inputs('in.q')), phi(inputs('in.k')), inputs('in.v')];
      if (!causal) {
        const mask = optional(inputs, 'in.key_keep_mask');
        return { o: linearAttendAll(q, k, v, { eps, ...(mask && { mask }) }) };
      }
      const scale = given ?? (fast ? 1 : q.shape[3] ** -0.5);
      const state = optional(inputs, 'in.initial_state');
      const z = optional(inputs, 'in.initial_z'); // [B, 1, H, K]
      const initial = state && z ? concat([state, expandDims(z.at(0, 1), -1)], 3) : state;
      const [o, after] = linearAttend(q, k, v, { normalize, eps, scale, ...(initial && { initial }) });
      const V = v.shape[3];
      if (fast) return { o };
      if (!normalize) return { o, final_state: after };
      return { o, final_state: after.slice(3, 0, V), final_z: expandDims(after.at(V, 3), 1) };
    },
    states(inputs) {
      const [q, k, v] = [phi(inputs('in.q')), phi(inputs('in.k')), inputs('in.v')];
      let initial = optional(inputs, 'in.initial_state');
      const after: Tensor[] = [];
      for (let t = 0; t < q.shape[1]; t++) {
        const [a, b, c] = [q, k, v].map((x) => x.slice(1, t, t + 1));
        [, initial] = linearAttend(a, b, c, { normalize: false, ...(initial && { initial }) });
        after.push(expandDims(initial, 1));
      }
      return { S_t: concat(after, 1) };
    },
  };
};

function featureMap(name: string | null): (x: Tensor) => Tensor {
  if (name === 'identity' || name === null) return (x) => x;
  if (name === 'elu1') return eluPlusOne;
  if (name === 'relu') return reluFeatures;
  throw new Unsupported(`option feature_map is ${name}, known are identity, elu1 and relu`);
}

/**
 * FastAttention of performer-pytorch, [B, H, N, D]: softmax features with the leaking maximum of the keys, generalised
 * features relu(·) + 1e-3, or no projection at all.
 */
export const performerFavor: Adapter = (options) => {
  const causal = options.flag('causal', false);
  const generalized = options.flag('generalized_attention', false);
  const plain = options.flag('no_projection', false);
  options.number('nb_features', NaN); // that of the projection
  options.says(
    'eps',
    /^1e-4 inside the softmax feature map, 1e-6 in the causal denominator, none in the non-causal/,
  );
  options.says('stabilizer', /the maxima carry no gradient$/);
  return {
    outputs(inputs) {
      const [q, k, v] = ['q', 'k', 'v'].map((name) => inputs(`in.${name}`).swapAxes(1, 2)); // [B, T, H, D]
      const phi = (x: Tensor, keys: boolean): Tensor => {
        if (plain) return keys ? (causal ? expFeatures(x) : softmax(x, 1)) : softmax(x, -1);
        const w = inputs('in.projection');
        const scaled = mul(x, x.shape[3] ** -0.25);
        return generalized
          ? reluFeatures(scaled.matmul(w.transpose())).add(1e-3)
          : performerFeatures(scaled, w, { keys });
      };
      const [a, b] = [phi(q, false), phi(k, true)];
      if (!causal) return { y: linearAttendAll(a, b, v, { eps: 0 }).swapAxes(1, 2) };
      // The reference adds its eps to every running sum: they begin with it.
      const [B, , H, M] = a.shape;
      const like = { dtype: v.dtype, device: v.device };
      const initial = concat([zeros([B, H, M, v.shape[3]], like), full([B, H, M, 1], 1e-6, like)], 3);
      const [y] = linearAttend(a, b, v, { eps: 0, initial });
      return { y: y.swapAxes(1, 2) };
    },
  };
};
