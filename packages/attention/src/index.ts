export * from './attention/index.js';
export * from './cross-attention/index.js';
