export { s5Convolution, s5Kernel, s5Scan, s5Step } from './op.js';
export type { S5Options, S5System } from './op.js';
export { s5 } from './mixer.js';
export type { S5MixerOptions, S5Params, S5State } from './mixer.js';
