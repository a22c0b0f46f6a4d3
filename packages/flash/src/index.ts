export * from './flash-attention/index.js';
