export { s4dConvolution, s4dKernel, s4dScan, s4dStep } from './op.js';
export type { S4dOptions, S4dSystem } from './op.js';
export { s4dRates } from './init.js';
export type { S4dInit } from './init.js';
export { s4d } from './mixer.js';
export type { S4dMixerOptions, S4dParams, S4dState } from './mixer.js';
