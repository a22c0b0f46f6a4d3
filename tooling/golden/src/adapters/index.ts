import type { Adapter } from '../adapter.js';
import { activations } from './activations.js';
import { causalConv1d } from './causal_conv1d.js';
import { crossEntropyAdapter } from './cross_entropy.js';
import { gru } from './gru.js';
import { layernorm } from './layernorm.js';
import { lstm } from './lstm.js';
import { optim } from './optim.js';
import { rmsnorm } from './rmsnorm.js';
import { rope } from './rope.js';

/** The adapters by family; a family without one counts as unsupported. */
export const adapters: Readonly<Record<string, Adapter>> = {
  activations,
  causal_conv1d: causalConv1d,
  cross_entropy: crossEntropyAdapter,
  gru,
  layernorm,
  lstm,
  optim,
  rmsnorm,
  rope,
};
