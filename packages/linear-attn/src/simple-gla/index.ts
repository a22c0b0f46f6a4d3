export { simpleGlaScan } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export { simpleGla } from './mixer.js';
export type { SimpleGlaOptions, SimpleGlaParams } from './mixer.js';
export type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
