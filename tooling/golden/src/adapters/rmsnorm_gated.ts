import { rmsNorm, rmsNormGated } from '@seq/nn';
import type { Adapter } from '../adapter.js';
import { optional } from '../over-last.js';

/** rms_norm_ref of mamba: eps, group_size, norm_before_gate; bias and z may be absent. */
export const rmsnormGated: Adapter = (options) => {
  const eps = options.number('eps', 1e-6);
  const groupSize = options.number('group_size', NaN);
  const normBeforeGate = options.flag('norm_before_gate', true);
  options.flag('upcast', true); // all is computed in the dtype of the case
  return {
    outputs(inputs) {
      const x = inputs('in.x');
      const z = optional(inputs, 'in.z');
      const weight = optional(inputs, 'param.weight');
      const bias = optional(inputs, 'param.bias');
      const C = x.shape[x.ndim - 1];
      const size = Number.isNaN(groupSize) ? C : groupSize;
      if (z) {
        const params = { ...(weight && { weight }), ...(bias && { bias }) };
        return { y: rmsNormGated(x, z, params, { eps, groupSize: size, normBeforeGate }) };
      }
      let y = rmsNorm(x.reshape([...x.shape.slice(0, -1), C / size, size]), {}, { eps }).reshape(x.shape);
      if (weight) y = y.mul(weight);
      if (bias) y = y.add(bias);
      return { y };
    },
  };
};
