export { gatedFf } from './gated.js';
export type { GatedFfOptions } from './gated.js';
export { ff } from './mixer.js';
export type { FfOptions, FfState } from './mixer.js';
