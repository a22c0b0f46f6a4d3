export { lruConvolution, lruKernel, lruScan, lruStep } from './op.js';
export type { LruSystem } from './op.js';
export { lru } from './mixer.js';
export type { LruOptions, LruParams, LruState } from './mixer.js';
