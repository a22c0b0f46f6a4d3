export { elmanCell, elmanSequence } from './op.js';
export type { ElmanCellOptions, ElmanSequenceOptions, ElmanWeights } from './op.js';
export type { ElmanNonlinearity } from './cpu.js';
export { elmanCellFromTorch, elmanFromTorch, elmanStack, elmanToTorch } from './stack.js';
export type { ElmanLayer, ElmanStackOptions } from './stack.js';
export { elmanFromKeras, elmanFromOnnx } from './formats.js';
export type { OnnxWeights } from '../internal/formats.js';
export { elman } from './mixer.js';
export type { ElmanMixerState, ElmanOptions, ElmanParams } from './mixer.js';
