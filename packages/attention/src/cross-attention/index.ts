export { crossAttention } from './mixer.js';
export type {
  ContextKeys,
  CrossAttentionMixer,
  CrossAttentionOptions,
  CrossAttentionParams,
  CrossCostAt,
} from './mixer.js';
