import { stack } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import {
  deltaScan,
  dplrScan,
  gatedDeltaScan,
  glaScan,
  hgrnScan,
  lightningDecays,
  retain,
  rwkv7Scan,
  simpleGlaScan,
} from '@seq/linear-attn';
import type { MemoryOptions } from '@seq/linear-attn';
import type { GoldenCase } from '@seq/testing/golden';
import { Unsupported } from '../adapter.js';
import type { Adapter, Computation, Inputs, Options } from '../adapter.js';
import { optional } from '../over-last.js';

/** "K**-0.5", the default, or a number. */
function scaleOf(options: Options, golden: GoldenCase): { scale?: number } {
  if (typeof golden.options['scale'] === 'number') return { scale: options.number('scale', 1) };
  options.says('scale', /^K\*\*-0\.5$/);
  return {};
}

type Named = Record<string, Tensor>;

/** A memory over inputs by name, all [B, T, …]: its readings and its state. */
type Memory = (inputs: Named, o: MemoryOptions) => [Tensor, Tensor];

/** An op of that form as a computation: whole for the outputs, one position at a time for the states. */
function memory(names: readonly string[], run: Memory, o: MemoryOptions = {}): Computation {
  const read = (inputs: Inputs): Named =>
    Object.fromEntries(names.map((name) => [name, inputs(`in.${name}`)]));
  const first = (inputs: Inputs): MemoryOptions => {
    const initial = optional(inputs, 'in.initial_state');
    return { ...o, ...(initial && { initial }) };
  };
  return {
    outputs(inputs) {
      const [y, state] = run(read(inputs), first(inputs));
      return { o: y, final_state: state };
    },
    states(inputs) {
      const all = read(inputs);
      let options = first(inputs);
      const after: Tensor[] = [];
      for (let t = 0; t < all[names[0]].shape[1]; t++) {
        const now = Object.entries(all).map(([name, x]) => [name, x.slice(1, t, t + 1)]);
        const [, state] = run(Object.fromEntries(now) as Named, options);
        options = { ...options, initial: state };
        after.push(state);
      }
      return { S_t: stack(after, 1) };
    },
  };
}

/** naive_recurrent_simple_gla. */
export const simpleGla: Adapter = (options, golden) => {
  options.says('gate', /^g is log decay, /);
  return memory(
    ['q', 'k', 'v', 'g'],
    ({ q, k, v, g }, o) => simpleGlaScan(q, k, v, g, o),
    scaleOf(options, golden),
  );
};

/** naive_recurrent_gla. */
export const gla: Adapter = (options, golden) => {
  options.says('gate', /^gk is log decay per key channel, /);
  return memory(
    ['q', 'k', 'v', 'gk'],
    ({ q, k, v, gk }, o) => glaScan(q, k, v, gk, o),
    scaleOf(options, golden),
  );
};

/** naive_recurrent_hgrn: the state is a vector. */
export const hgrn: Adapter = (options) => {
  options.says('update', /^h_t = exp\(g_t\) h_\{t-1\} \+ x_t$/);
  return memory(['x', 'g'], ({ x, g }, { initial }) => hgrnScan(x, g, { ...(initial && { initial }) }));
};

/** delta_rule_recurrence; keys come normalised or as they are. */
export const deltaRule: Adapter = (options, golden) => {
  options.says('update', /^S_t = S_\{t-1\} \+ beta_t k_t \(v_t - S_\{t-1\}\^T k_t\)\^T$/);
  options.says('beta_range', /^\(0,[\d.]+\)$/);
  options.flag('k_l2_normalized', true);
  return memory(
    ['q', 'k', 'v', 'beta'],
    ({ q, k, v, beta }, o) => deltaScan(q, k, v, beta, o),
    scaleOf(options, golden),
  );
};

/** naive_recurrent_gated_delta_rule: decay first, then delta. */
export const gatedDeltaRule: Adapter = (options, golden) => {
  options.says('update', /decay first, then delta/);
  return memory(
    ['q', 'k', 'v', 'g', 'beta'],
    ({ q, k, v, g, beta }, o) => gatedDeltaScan(q, k, v, g, beta, o),
    scaleOf(options, golden),
  );
};

const beforeDecay = /alpha acts on the state BEFORE decay$/;

/** dplr_recurrence. */
export const dplr: Adapter = (options, golden) => {
  options.says('update', beforeDecay);
  return memory(
    ['q', 'k', 'v', 'gk', 'alpha', 'beta'],
    ({ q, k, v, gk, alpha, beta }, o) => dplrScan({ q, k, v, g: gk, alpha, beta }, o),
    scaleOf(options, golden),
  );
};

/** The same with alpha = −κ, beta = κ ∘ a. */
export const rwkv7Wkv: Adapter = (options, golden) => {
  options.says('update', beforeDecay);
  return memory(
    ['q', 'k', 'v', 'gk', 'kk', 'a'],
    ({ q, k, v, gk, kk, a }, o) => rwkv7Scan({ r: q, w: gk, k, v, kappa: kk, a }, o),
    scaleOf(options, golden),
  );
};

/** naive_retention: no rotation, no norm. */
export const retention: Adapter = (options, golden) => {
  options.says('decay', /^gamma_h = 1-2\^\(-5-h\), h=0\.\.H-1$/);
  options.says('note', /^no rotation, no groupnorm inside$/);
  const whole = memory(['q', 'k', 'v'], ({ q, k, v }, o) => retain(q, k, v, o), scaleOf(options, golden));
  return { ...whole, outputs: (inputs) => ({ o: whole.outputs(inputs)['o'] }) };
};

/** fused_recurrent_lightning_attn: fixed decays by layer and head. */
export const lightningAttn: Adapter = (options, golden) => {
  options.says('decay', /^log decay of head h = -\(8\/H\*\(1-layer_idx\/num_layers\)\)\*h/);
  const layer = options.number('layer_idx', NaN);
  const layers = options.number('num_layers', NaN);
  if (!(layers > 0 && layer >= 0)) throw new Unsupported('options layer_idx and num_layers must be there');
  return memory(
    ['q', 'k', 'v'],
    ({ q, k, v }, o) => retain(q, k, v, { ...o, logDecay: lightningDecays(v.shape[2], layer, layers) }),
    scaleOf(options, golden),
  );
};
