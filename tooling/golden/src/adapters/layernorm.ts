import { layerNorm } from '@seq/nn';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';
import { axesOf, optional, overLast } from '../over-last.js';

/** torch.nn.LayerNorm: eps, elementwise_affine (here `affine`), bias, normalized_shape. */
export const layernorm: Adapter = (options) => {
  const eps = options.number('eps', 1e-5);
  const affine = options.flag('affine', options.flag('elementwise_affine', true));
  const biased = options.flag('bias', affine);
  const shape = options.numbers('normalized_shape', []);
  return {
    outputs(inputs) {
      const weight = optional(inputs, 'param.weight');
      const bias = optional(inputs, 'param.bias');
      if (affine !== !!weight || (affine && biased) !== !!bias)
        throw new Unsupported(`affine=${affine} and bias=${biased} do not fit the parameters of the case`);
      const y = overLast(inputs('in.x'), axesOf(shape, weight), (x, flat) =>
        layerNorm(
          x,
          { ...(weight ? { weight: flat(weight) } : {}), ...(bias ? { bias: flat(bias) } : {}) },
          { eps },
        ),
      );
      return { y };
    },
  };
};
