export { glaScan } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export { gla } from './mixer.js';
export type { GlaOptions, GlaParams } from './mixer.js';
export type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
