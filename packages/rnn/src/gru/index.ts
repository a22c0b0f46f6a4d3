export { gruCell, gruSequence } from './op.js';
export type { GruCellOptions, GruSequenceOptions, GruWeights } from './op.js';
export { gruCellFromTorch, gruFromTorch, gruStack, gruToTorch } from './stack.js';
export type { GruLayer, GruStackOptions } from './stack.js';
export { gruFromKeras, gruFromOnnx } from './formats.js';
export type { OnnxWeights } from '../internal/formats.js';
export { gru } from './mixer.js';
export type { GruMixerState, GruOptions, GruParams } from './mixer.js';
