export { exponentialMovingAverage } from './op.js';
export type { EmaSequenceOptions } from './op.js';
export { ema } from './mixer.js';
export type { EmaOptions, EmaParams, EmaState } from './mixer.js';
