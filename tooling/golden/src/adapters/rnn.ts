import { elmanFromTorch, elmanStack } from '@seq/rnn';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';
import { batched, settings } from '../torch-recurrent.js';

/** torch.nn.RNN with all its options. */
export const rnn: Adapter = (options) => {
  options.says('gate_order', /^-$/);
  const nonlinearity = options.text('nonlinearity', 'tanh');
  if (nonlinearity !== 'tanh' && nonlinearity !== 'relu')
    throw new Unsupported(`option nonlinearity is ${nonlinearity}, known are tanh and relu`);
  const { batchFirst, check } = settings(options, 1);
  return {
    outputs(inputs) {
      check(inputs);
      const { x, state, y: unbatch, last } = batched(inputs('in.x'), batchFirst);
      const [y, hN] = elmanStack(x, elmanFromTorch(inputs.params()), {
        nonlinearity,
        batchFirst,
        ...(inputs.has('in.h0') ? { h0: state(inputs('in.h0')) } : {}),
        ...(inputs.has('in.lengths') ? { lengths: inputs('in.lengths') } : {}),
      });
      return { y: unbatch(y), h_n: last(hN) };
    },
  };
};
