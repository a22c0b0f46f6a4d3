import { rmsNorm } from '@seq/nn';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';
import { axesOf, optional, overLast } from '../over-last.js';

/** RMSNorm of Llama; torch.nn.RMSNorm without weight and over several axes. */
export const rmsnorm: Adapter = (options) => {
  const eps = options.number('eps', 1e-6);
  const affine = options.flag('affine', options.flag('elementwise_affine', true));
  const shape = options.numbers('normalized_shape', []);
  return {
    outputs(inputs) {
      const weight = optional(inputs, 'param.weight');
      if (affine !== !!weight)
        throw new Unsupported(`affine=${affine} does not fit the parameters of the case`);
      return {
        y: overLast(inputs('in.x'), axesOf(shape, weight), (x, flat) =>
          rmsNorm(x, weight ? { weight: flat(weight) } : {}, { eps }),
        ),
      };
    },
  };
};
