import { at, stack, swapAxes } from '@seq/tensor';
import { shortConv, shortConvState, shortConvStep } from '@seq/nn';
import type { ShortConvParams } from '@seq/nn';
import { Unsupported } from '../adapter.js';
import type { Adapter, Inputs } from '../adapter.js';

/** causal_conv1d_ref and causal_conv1d_update_ref: activation null, silu or swish; bias; initial and final states. */
export const causalConv1d: Adapter = (options) => {
  const text = options.text('activation', null);
  const name = text === 'none' ? null : text;
  if (name !== null && name !== 'silu' && name !== 'swish')
    throw new Unsupported(`option activation is "${name}", known are null, silu and swish`);
  const activation = name === null ? {} : { activation: 'silu' as const };
  const width = options.number('width', NaN);
  const biased = options.flag('bias', true);
  const explicit = options.given('bias');
  options.flag('return_final_states', true);
  const parameters = (inputs: Inputs): ShortConvParams => {
    const weight = inputs('param.weight');
    if (!Number.isNaN(width) && weight.shape[1] !== width)
      throw new Unsupported(`option width=${width} does not fit the weight [${weight.shape.join(', ')}]`);
    if (explicit && biased !== inputs.has('param.bias'))
      throw new Unsupported(`option bias=${biased} does not fit the parameters of the case`);
    return { weight, ...(inputs.has('param.bias') ? { bias: inputs('param.bias') } : {}) };
  };
  return {
    outputs(inputs) {
      const state = inputs.has('in.initial_states') ? { state: inputs('in.initial_states') } : {};
      const x = swapAxes(inputs('in.x'), 1, 2); // [B, D, T] → [B, T, D]
      const [y, final] = shortConv(x, parameters(inputs), { ...activation, ...state });
      return { y: swapAxes(y, 1, 2), final_states: final };
    },
    states(inputs) {
      const x = inputs('in.x');
      const params = parameters(inputs);
      const [B, D, T] = x.shape as [number, number, number];
      let state = inputs.has('in.initial_states')
        ? inputs('in.initial_states')
        : shortConvState(B, D, params.weight.shape[1], { device: x.device, dtype: x.dtype });
      const outputs = [];
      const states = [];
      for (let t = 0; t < T; t++) {
        const [y, next] = shortConvStep(at(x, t, 2), params, state, activation);
        state = next;
        outputs.push(y);
        states.push(state);
      }
      return { y_step: stack(outputs, 2), conv_t: stack(states, 1) };
    },
  };
};
