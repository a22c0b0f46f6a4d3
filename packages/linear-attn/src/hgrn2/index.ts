export { hgrn2Scan, hgrnScan } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export { hgrn2 } from './mixer.js';
export type { Hgrn2Options, Hgrn2Params } from './mixer.js';
export type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
