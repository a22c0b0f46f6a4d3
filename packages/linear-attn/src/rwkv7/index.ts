export { dplrScan, rwkv7Scan } from './op.js';
export type { DplrOperands, Rwkv7Operands } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export { rwkv7TimeMix } from './time-mix.js';
export type {
  LowRankParams,
  Rwkv7TimeMixOptions,
  Rwkv7TimeMixParams,
  Rwkv7TimeMixState,
} from './time-mix.js';
export { rwkv7ChannelMix } from './channel-mix.js';
export type { Rwkv7ChannelMixParams, Rwkv7ChannelMixState } from './channel-mix.js';
export { rwkv7 } from './mixer.js';
export type { Rwkv7Options } from './mixer.js';
export { rwkv7Stack } from './stack.js';
export type {
  Rwkv7Block,
  Rwkv7BlockParams,
  Rwkv7StackOptions,
  Rwkv7StackParams,
  Rwkv7StackState,
} from './stack.js';
export type { Rwkv7Ranks } from './init.js';
export type { Rwkv7SizeOptions } from './sizes.js';
