export { lightningDecays, retain, retentionDecays } from './op.js';
export type { RetainOptions } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export { retainRowNormalized } from './row-normalized.js';
export type { RowNormalizedOptions } from './row-normalized.js';
export { retnet } from './mixer.js';
export type { RetnetOptions, RetnetParams } from './mixer.js';
export type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
