export { lstmCell, lstmSequence } from './op.js';
export type { LstmSequenceOptions, LstmState, LstmWeights } from './op.js';
export { lstmFromTorch, lstmStack, lstmToTorch } from './stack.js';
export type { LstmLayer, LstmStackOptions } from './stack.js';
export { lstm } from './mixer.js';
export type { LstmOptions, LstmParams } from './mixer.js';
