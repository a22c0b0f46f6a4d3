export { mamba2FromTorch } from './formats.js';
export { ssd, ssdStep } from './op.js';
export type { SsdGates, SsdOptions } from './op.js';
export { mamba2 } from './mixer.js';
export type { Mamba2Options, Mamba2Params, Mamba2State } from './mixer.js';
