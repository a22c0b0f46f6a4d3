export { tcn } from './mixer.js';
export type { TcnBlock, TcnConv, TcnOptions, TcnParams, TcnState } from './mixer.js';
export { weightNorm } from './op.js';
