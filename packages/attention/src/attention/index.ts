export { attend, attendWithLse } from './op.js';
export type { AttendOptions } from './op.js';
export { attendCached } from './cache.js';
export type { AttendCachedOptions, AttentionState } from './cache.js';
export { attention } from './mixer.js';
export type { AttentionParams } from './mixer.js';
export type { AttentionOptions, RotarySettings } from './options.js';
