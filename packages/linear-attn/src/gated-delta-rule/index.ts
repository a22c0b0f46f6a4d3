export { gatedDeltaScan } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export { gatedDeltaRule } from './mixer.js';
export type { GatedDeltaRuleOptions, GatedDeltaRuleParams } from './mixer.js';
export type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
