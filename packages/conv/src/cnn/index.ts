export { cnn } from './mixer.js';
export type { CnnOptions, CnnParams, CnnState } from './mixer.js';
export { causalConv, causalConvState } from './op.js';
export type { CausalConvOptions, CausalConvParams } from './op.js';
export { convFromTorch } from './load.js';
export { receptiveField } from '../internal/receptive-field.js';
export type { ConvLayer } from '../internal/receptive-field.js';
