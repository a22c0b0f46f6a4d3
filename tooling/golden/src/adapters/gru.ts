import { gruFromTorch, gruStack } from '@seq/rnn';
import type { Adapter } from '../adapter.js';
import { batched, settings } from '../torch-recurrent.js';

/** torch.nn.GRU with all its options; gates r, z, n with the reset applied after the recurrent product. */
export const gru: Adapter = (options) => {
  options.says('gate_order', /^r,z,n \(reset applied after/);
  const { batchFirst, check } = settings(options, 3);
  return {
    outputs(inputs) {
      check(inputs);
      const { x, state, y: unbatch, last } = batched(inputs('in.x'), batchFirst);
      const [y, hN] = gruStack(x, gruFromTorch(inputs.params()), {
        batchFirst,
        ...(inputs.has('in.h0') ? { h0: state(inputs('in.h0')) } : {}),
        ...(inputs.has('in.lengths') ? { lengths: inputs('in.lengths') } : {}),
      });
      return { y: unbatch(y), h_n: last(hN) };
    },
  };
};
