export { mambaFromTorch } from './formats.js';
export { stepBiasInit } from './init.js';
export type { StepInitOptions } from './init.js';
export { selectiveScan, selectiveScanBackwardOp, selectiveScanOp } from './op.js';
export type { SelectiveScanOptions } from './op.js';
export type { ScanAttrs } from './shape.js';
export { selectiveScanStep } from './step.js';
export { mamba } from './mixer.js';
export type { MambaOptions, MambaParams, MambaState } from './mixer.js';
