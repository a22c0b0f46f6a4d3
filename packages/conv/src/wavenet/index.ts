export { gatedActivation } from './op.js';
export { loadWavenetStack } from './load.js';
export type { WavenetArrayConfig, WavenetConfig } from './load.js';
export { wavenet } from './mixer.js';
export type { WavenetLayer, WavenetOptions, WavenetParams, WavenetState } from './mixer.js';
export { wavenetStack } from './stack.js';
export type {
  WavenetArrayOptions,
  WavenetStackLayer,
  WavenetStackOptions,
  WavenetStackParams,
  WavenetStackState,
} from './stack.js';
