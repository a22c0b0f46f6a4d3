export { causalConv, causalConvState } from '../internal/causal-conv.js';
export type { CausalConvOptions, CausalConvParams } from '../internal/causal-conv.js';
