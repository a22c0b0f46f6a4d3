import type { Tensor } from '@seq/tensor';
import { rwkv7ChannelMix, rwkv7TimeMix } from '@seq/linear-attn';
import type { LowRankParams, Rwkv7TimeMixParams } from '@seq/linear-attn';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';

/** Parameters by the names of the authors' code; `w1` [C, R] and `w2` [R, C] multiply from the right. */
function timeMixParams(named: Record<string, Tensor>, isFirst: boolean): Rwkv7TimeMixParams {
  const get = (name: string): Tensor => {
    const found = named[name];
    if (!found) throw new Unsupported(`the case has no param.${name}`);
    return found;
  };
  const matrix = (name: string) => ({ weight: get(`${name}.weight`) });
  const lowRank = (letter: string, bias: boolean): LowRankParams => ({
    down: { weight: get(`${letter}1`).transpose() },
    up: { weight: get(`${letter}2`).transpose(), ...(bias && { bias: get(`${letter}0`) }) },
  });
  return {
    shift: {
      r: get('x_r'),
      w: get('x_w'),
      k: get('x_k'),
      v: get('x_v'),
      a: get('x_a'),
      g: get('x_g'),
    },
    r: matrix('receptance'),
    k: matrix('key'),
    v: matrix('value'),
    decay: lowRank('w', true),
    erase: lowRank('a', true),
    gate: lowRank('g', false),
    ...(!isFirst && { first: lowRank('v', true) }),
    erasedKey: get('k_k'),
    scaledKey: get('k_a'),
    bonus: get('r_k'),
    norm: { weight: get('ln_x.weight'), bias: get('ln_x.bias') },
    out: matrix('output'),
  };
}

/** time_mixing__ of rwkv_v7_numpy's torch sibling: one sequence [T, C], the state with the value axis first. */
export const rwkv7TimeMixAdapter: Adapter = (options) => {
  const isFirst = options.number('layer_id', 0) === 0;
  const H = options.number('H', NaN);
  options.number('N', NaN);
  options.says('decay', /the constant is the literal 0\.606531, not exp\(-0\.5\)$/);
  options.says('state_layout', /^\(H,N_v,N_k\): /);
  const normEps = options.number('group_norm_eps', 64e-5);
  return {
    outputs(inputs) {
      const x = inputs('in.x').expandDims(0);
      const params = timeMixParams(inputs.params(), isFirst);
      const { y, state, values } = rwkv7TimeMix(params, x, {
        numHeads: H,
        normEps,
        decayScale: 0.606531,
        ...(!isFirst && { firstValues: inputs('in.v_first').expandDims(0) }),
      });
      return {
        y: y.squeeze(0),
        final_state: state.S.squeeze(0).swapAxes(1, 2),
        ...(isFirst && { v_first: values.squeeze(0) }),
      };
    },
  };
};

/** channel_mixing__. */
export const rwkv7ChannelMixAdapter: Adapter = () => ({
  outputs(inputs) {
    const named = inputs.params();
    const { y } = rwkv7ChannelMix(
      {
        shift: named['x_k'],
        key: { weight: named['key.weight'] },
        value: { weight: named['value.weight'] },
      },
      inputs('in.x').expandDims(0),
    );
    return { y: y.squeeze(0) };
  },
});
