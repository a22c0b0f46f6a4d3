import type { Adapter } from '../adapter.js';
import { activations } from './activations.js';
import { alibiSlopes } from './alibi_slopes.js';
import { attentionOver, attentionSinkOver } from './attention.js';
import { composed, flash } from './core.js';
import type { Core } from './core.js';
import { causalConv1d } from './causal_conv1d.js';
import { conv1dAdapter } from './conv1d.js';
import { crossEntropyAdapter } from './cross_entropy.js';
import { hippoLegsAdapter, lru, s4dKernelAdapter, s4dKernelAnnotated, s4dLayer, s5Ssm } from './diagonal.js';
import { gptBlockOver } from './gpt_block.js';
import { gru } from './gru.js';
import {
  deltaRule,
  dplr,
  gatedDeltaRule,
  gla,
  hgrn,
  lightningAttn,
  retention,
  rwkv7Wkv,
  simpleGla,
} from './linear-attn.js';
import { linearAttention, performerFavor } from './linear_attention.js';
import { layernorm } from './layernorm.js';
import { llamaBlockOver } from './llama_block.js';
import { lstm } from './lstm.js';
import { mamba1Block, mamba1SelectiveScan, mambaStateUpdate } from './mamba1.js';
import { mamba2Block, mamba2Ssd, mamba2SsdMinimal } from './mamba2.js';
import { mhaOver } from './mha.js';
import { onlineSoftmaxOver } from './online_softmax.js';
import { optim } from './optim.js';
import { retnetMsr } from './retnet_msr.js';
import { rmsnorm } from './rmsnorm.js';
import { rmsnormGated } from './rmsnorm_gated.js';
import { rnn } from './rnn.js';
import { rope } from './rope.js';
import { rwkv7ChannelMixAdapter, rwkv7TimeMixAdapter } from './rwkv7.js';
import { t5RelativeBias } from './t5_relative_bias.js';

/** Families that are softmax attention, through a way to compute it. */
const attentions = (core: Core) =>
  ({
    attention: attentionOver(core),
    attention_sink: attentionSinkOver(core),
    gpt_block: gptBlockOver(core),
    llama_block: llamaBlockOver(core),
    mha: mhaOver(core),
    online_softmax: onlineSoftmaxOver(core),
  }) satisfies Record<string, Adapter>;

/** Families that run a second time, through `flashAttention`. */
export const flashAdapters: Readonly<Record<string, Adapter>> = attentions(flash);

/** The adapters by family; a family without one counts as unsupported. */
export const adapters: Readonly<Record<string, Adapter>> = {
  ...attentions(composed),
  activations,
  alibi_slopes: alibiSlopes,
  causal_conv1d: causalConv1d,
  conv1d: conv1dAdapter,
  cross_entropy: crossEntropyAdapter,
  delta_rule: deltaRule,
  dplr,
  gated_delta_rule: gatedDeltaRule,
  gla,
  gru,
  hgrn,
  hippo_legs: hippoLegsAdapter,
  layernorm,
  lightning_attn: lightningAttn,
  linear_attention: linearAttention,
  lru,
  lstm,
  mamba1_block: mamba1Block,
  mamba1_selective_scan: mamba1SelectiveScan,
  mamba2_block: mamba2Block,
  mamba2_ssd: mamba2Ssd,
  mamba2_ssd_minimal: mamba2SsdMinimal,
  mamba_state_update: mambaStateUpdate,
  optim,
  performer_favor: performerFavor,
  retention,
  retnet_msr: retnetMsr,
  rmsnorm,
  rmsnorm_gated: rmsnormGated,
  rnn,
  rope,
  rwkv7_channel_mix: rwkv7ChannelMixAdapter,
  rwkv7_time_mix: rwkv7TimeMixAdapter,
  rwkv7_wkv: rwkv7Wkv,
  simple_gla: simpleGla,
  s4d_kernel: s4dKernelAdapter,
  s4d_kernel_annotated: s4dKernelAnnotated,
  s4d_layer: s4dLayer,
  s5_ssm: s5Ssm,
  t5_relative_bias: t5RelativeBias,
};
