export { flashAttention, flashAttentionWithLse } from './attention.js';
export type { FlashAttentionOptions, FlashPast } from './options.js';
