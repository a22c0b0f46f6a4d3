import { at, concat, stack, swapAxes, transpose, zeros } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { cloneState } from '@seq/nn';
import { complexSelectiveScan, mamba, mambaFromTorch, selectiveScan, selectiveScanStep } from '@seq/ssm';
import type { MambaState } from '@seq/ssm';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';
import { optional } from '../over-last.js';

/** Throws unless what an option says of an optional tensor is true. */
function agree(option: string, said: boolean, there: boolean): void {
  if (said !== there) throw new Unsupported(`option ${option}=${said} does not fit the inputs of the case`);
}

/** B or C of selective_scan_ref: (B, N, L), (B, G, N, L), or (D, N), as we lay them out. */
function timeFirst(x: Tensor): Tensor {
  return x.ndim === 4 ? transpose(x, [0, 3, 1, 2]) : x.ndim === 3 ? swapAxes(x, 1, 2) : x;
}

/** The parts of a tensor with a last axis (re, im). */
function pairs(x: Tensor): Complex {
  return { re: at(x, 0, -1), im: at(x, 1, -1) };
}

/** Complex B or C: (B, N, 2 L) or (B, G, N, 2 L) with re and im by turns, or (D, N, 2). */
function complexRows(x: Tensor, varies: boolean): Complex {
  if (!varies) return pairs(x);
  const { re, im } = pairs(x.reshape([...x.shape.slice(0, -1), x.shape[x.ndim - 1] / 2, 2]));
  return { re: timeFirst(re), im: timeFirst(im) };
}

/** selective_scan_ref: all its options, layout (B, D, L). */
export const mamba1SelectiveScan: Adapter = (options) => {
  const softplus = options.flag('delta_softplus', false);
  const [z, D, bias] = ['z', 'D', 'delta_bias'].map((name) => options.flag(name, false));
  const last = options.flag('return_last_state', false);
  const [varB, varC] = [options.flag('variable_B', true), options.flag('variable_C', true)];
  const groups = options.number('groups', 0);
  const complex = options.flag('complex', false);
  options.says('discretization', /^A_bar=exp\(delta\*A\), B_bar=delta\*B \(Euler for B\)$/);
  return {
    outputs(inputs) {
      agree('z', z, inputs.has('in.z'));
      agree('D', D, inputs.has('in.D'));
      agree('delta_bias', bias, inputs.has('in.delta_bias'));
      const [Bs, Cs] = [inputs('in.B'), inputs('in.C')];
      // Fixed ones are (D, N), or (D, N, 2) where numbers are complex: told apart from (B, N, 2 L) by the option alone.
      if (!complex) agree('variable_B', varB, Bs.ndim > 2);
      if (!complex) agree('variable_C', varC, Cs.ndim > 2);
      for (const x of [Bs, Cs]) agree('groups', groups > 0, x.ndim === 4 && x.shape[1] === groups);
      const [u, delta] = [swapAxes(inputs('in.u'), 1, 2), swapAxes(inputs('in.delta'), 1, 2)];
      const gates = {
        deltaSoftplus: softplus,
        ...(D ? { D: inputs('in.D') } : {}),
        ...(z ? { z: swapAxes(inputs('in.z'), 1, 2) } : {}),
        ...(bias ? { deltaBias: inputs('in.delta_bias') } : {}),
      };
      if (complex) {
        const A = pairs(inputs('in.A'));
        const [y, h] = complexSelectiveScan(u, delta, A, complexRows(Bs, varB), complexRows(Cs, varC), gates);
        return { out: swapAxes(y, 1, 2), ...(last ? { last_state: stack([h.re, h.im], -1) } : {}) };
      }
      const [y, h] = selectiveScan(u, delta, inputs('in.A'), timeFirst(Bs), timeFirst(Cs), gates);
      return { out: swapAxes(y, 1, 2), ...(last ? { last_state: h } : {}) };
    },
  };
};

/** The Mamba module: whole sequences, and `step` from an empty cache. */
export const mamba1Block: Adapter = (options) => {
  const width = options.number('d_conv', 4);
  const settings = {
    dModel: options.number('d_model', NaN),
    stateDim: options.number('d_state', 16),
    convWidth: width,
    expand: options.number('expand', 2),
    bias: options.flag('bias', false),
    convBias: options.flag('conv_bias', true),
  };
  options.says('dt_rank', /^auto$/);
  const mixer = mamba(settings);
  return {
    outputs: (inputs) => ({ y: mixer.forward(mambaFromTorch(inputs.params()), inputs('in.x')) }),
    states(inputs) {
      const params = mambaFromTorch(inputs.params());
      const x = inputs('in.x');
      const [B, T] = x.shape;
      let state: MambaState = mixer.initState(B, { device: x.device, dtype: x.dtype });
      const I = state.conv.shape[1];
      // The reference keeps the oldest of W inputs too, which no output depends on any more.
      let window = zeros([B, I, width], { device: x.device, dtype: x.dtype });
      const [outputs, states]: Tensor[][] = [[], []];
      for (let t = 0; t < T; t++) {
        const [y, next] = mixer.step(params, at(x, t, 1), state);
        state = next;
        const kept = cloneState(next);
        window = concat([window.slice(2, 1, 2), kept.conv], 2);
        outputs.push(y);
        states.push(kept.ssm);
      }
      return { y_step: stack(outputs, 1), ssm_t: stack(states, 1), ssm_T: state.ssm, conv_T: window };
    },
  };
};

/** selective_state_update_ref: one position of H heads of P channels. */
export const mambaStateUpdate: Adapter = (options) => {
  const softplus = options.flag('dt_softplus', false);
  const groups = options.number('ngroups', 1);
  return {
    outputs(inputs) {
      const state = inputs('in.state');
      const [B, H, P, N] = state.shape;
      const flat = (x: Tensor, lead: number): Tensor =>
        x.reshape([...x.shape.slice(0, lead), H * P, ...x.shape.slice(lead + 2)]);
      const perChannel = (name: string): Tensor | undefined => {
        const x = optional(inputs, name);
        return x && flat(x, 0);
      };
      const [D, bias] = [perChannel('in.D'), perChannel('in.dt_bias')];
      const z = optional(inputs, 'in.z');
      const Bs = inputs('in.B');
      if (Bs.shape[1] !== groups) throw new Unsupported(`option ngroups=${groups} does not fit B`);
      const [y, h] = selectiveScanStep(
        flat(inputs('in.x'), 1),
        flat(inputs('in.dt'), 1),
        flat(inputs('in.A'), 0),
        Bs,
        inputs('in.C'),
        flat(state, 1),
        {
          deltaSoftplus: softplus,
          ...(D && { D }),
          ...(z && { z: flat(z, 1) }),
          ...(bias && { deltaBias: bias }),
        },
      );
      return { out: y.reshape([B, H, P]), state: h.reshape([B, H, P, N]) };
    },
  };
};
