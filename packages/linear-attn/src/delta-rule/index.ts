export { deltaScan } from './op.js';
export type { MemoryOptions } from '../internal/memory-options.js';
export { deltaRule } from './mixer.js';
export type { DeltaRuleOptions, DeltaRuleParams } from './mixer.js';
export type { HeadOptions, MatrixState, ReadoutParams } from '../internal/matrix-mixer.js';
