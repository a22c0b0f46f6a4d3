import { lstmFromTorch, lstmStack } from '@seq/rnn';
import type { Adapter } from '../adapter.js';
import { batched, settings } from '../torch-recurrent.js';

/** torch.nn.LSTM with all its options, projections included; gates i, f, g, o. */
export const lstm: Adapter = (options) => {
  options.says('gate_order', /^i,f,g,o/);
  const { batchFirst, check } = settings(options, 4);
  return {
    outputs(inputs) {
      check(inputs);
      const { x, state, y: unbatch, last } = batched(inputs('in.x'), batchFirst);
      const [y, { hN, cN }] = lstmStack(x, lstmFromTorch(inputs.params()), {
        batchFirst,
        ...(inputs.has('in.h0') ? { h0: state(inputs('in.h0')) } : {}),
        ...(inputs.has('in.c0') ? { c0: state(inputs('in.c0')) } : {}),
        ...(inputs.has('in.lengths') ? { lengths: inputs('in.lengths') } : {}),
      });
      return { y: unbatch(y), h_n: last(hN), c_n: last(cN) };
    },
  };
};
