import { at, concat, stack, swapAxes, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { cloneState } from '@seq/nn';
import { matrixScan } from '@seq/nn/scan';
import { mamba2, mamba2FromTorch, ssd } from '@seq/ssm';
import type { Mamba2State } from '@seq/ssm';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';
import { optional } from '../over-last.js';

/** Throws unless what an option says of the inputs is true. */
function agree(option: string, fits: boolean): void {
  if (!fits) throw new Unsupported(`option ${option} does not fit the inputs of the case`);
}

/** A state (B, H, P, N) as ours [B, H, N, P], and back. */
const turned = (state: Tensor): Tensor => swapAxes(state, 2, 3).contiguous();

/** ssd_selective_scan and mamba_chunk_scan_combined's reference: gates, bounds, groups, initial states. */
export const mamba2Ssd: Adapter = (options) => {
  const chunk = options.number('chunk_size', NaN);
  const groups = options.number('ngroups', 1);
  const skip = options.text('D', null);
  const [z, bias] = [options.flag('z', false), options.flag('dt_bias', false)];
  const softplus = options.flag('dt_softplus', false);
  const bounds = options.numbers('dt_limit', []);
  const limit = bounds.length > 0 ? bounds : null;
  const initial = options.flag('initial_states', false);
  options.says('group_rule', /^head h uses group h \/\/ \(H\/G\)$/);
  options.says(
    'order',
    /^dt = softplus\(dt\+dt_bias\), then clamp to dt_limit; out = \(y \+ D x\) \* silu\(z\)$/,
  );
  if (limit && limit.length !== 2) throw new Unsupported('option dt_limit must be two numbers');
  return {
    outputs(inputs) {
      const D = optional(inputs, 'in.D');
      agree('D', (skip === null) === !D && (!D || (skip === '(H)' ? 1 : 2) === D.ndim));
      agree('z', z === inputs.has('in.z'));
      agree('dt_bias', bias === inputs.has('in.dt_bias'));
      agree('initial_states', initial === inputs.has('in.initial_states'));
      const Bs = inputs('in.B');
      agree('ngroups', Bs.shape[2] === groups);
      const [y, state] = ssd(inputs('in.x'), inputs('in.dt'), inputs('in.A'), Bs, inputs('in.C'), {
        dtSoftplus: softplus,
        ...(D && { D }),
        ...(z ? { z: inputs('in.z') } : {}),
        ...(bias ? { dtBias: inputs('in.dt_bias') } : {}),
        ...(limit && { dtLimit: [limit[0], limit[1]] as const }),
        ...(initial ? { initial: turned(inputs('in.initial_states')) } : {}),
        ...(Number.isNaN(chunk) ? {} : { chunkSize: chunk }),
      });
      return { out: y, final_state: turned(state) };
    },
  };
};

/** ssd_minimal_discrete: inputs already times dt, log-decays given. */
export const mamba2SsdMinimal: Adapter = (options) => {
  const chunkSize = options.number('block_len', 64);
  options.says('note', /^discrete: X already multiplied by dt, A = dt\*A \(log decay\)$/);
  return {
    outputs(inputs) {
      const first = optional(inputs, 'in.initial_states');
      const X = inputs('in.X');
      // What ssd does once step sizes are multiplied in.
      const [y, state] = matrixScan(inputs('in.C'), inputs('in.B'), X, {
        logDecay: inputs('in.A'),
        chunkSize,
        ...(first && { initial: turned(first.reshape([first.shape[0], ...first.shape.slice(2)])) }),
      });
      return { Y: y, final_state: turned(state) };
    },
  };
};

/** The Mamba2 module: whole sequences, and `step` from an empty cache. */
export const mamba2Block: Adapter = (options) => {
  const dModel = options.number('d_model', NaN);
  const width = options.number('d_conv', 4);
  const headDim = options.number('headdim', 64);
  const expand = options.number('expand', 2);
  const channelSkip = options.flag('D_has_hdim', false);
  const limit = options.numbers('dt_limit', []);
  const bounded = limit.length === 2 && !(limit[0] === 0 && !Number.isFinite(limit[1]));
  const mixer = mamba2({
    dModel,
    expand,
    headDim,
    channelSkip,
    stateDim: options.number('d_state', 128),
    convWidth: width,
    numGroups: options.number('ngroups', 1),
    ssmDim: options.number('d_ssm', expand * dModel),
    bias: options.flag('bias', false),
    convBias: options.flag('conv_bias', true),
    chunkSize: options.number('chunk_size', 64),
    rmsNorm: options.flag('rmsnorm', true),
    normBeforeGate: options.flag('norm_before_gate', false),
    ...(bounded && { dtLimit: [limit[0], limit[1]] as const }),
  });
  options.says('norm', /^RMSNormGated over groups of d_ssm\/ngroups channels, eps 1e-5$/);
  options.says('in_proj_order', /^z0, x0 \(gated MLP, only if d_ssm < d_inner\), z, x, B, C, dt$/);
  return {
    outputs: (inputs) => ({
      y: mixer.forward(mamba2FromTorch(inputs.params(), '', headDim), inputs('in.x')),
    }),
    states(inputs) {
      const params = mamba2FromTorch(inputs.params(), '', headDim);
      const x = inputs('in.x');
      const [B, T] = x.shape;
      const o = { device: x.device, dtype: x.dtype };
      let state: Mamba2State = mixer.initState(B, o);
      // The reference keeps the oldest of W inputs too, which no output depends on any more.
      let window = zeros([B, state.conv.shape[1], width], o);
      const outputs: Tensor[] = [];
      let kept = state;
      for (let t = 0; t < T; t++) {
        const [y, next] = mixer.step(params, at(x, t, 1), state);
        state = next;
        kept = cloneState(next);
        window = concat([window.slice(2, 1, 2), kept.conv], 2);
        outputs.push(y);
      }
      return { y_step: stack(outputs, 1), ssm_T: turned(kept.ssm), conv_T: window };
    },
  };
};
