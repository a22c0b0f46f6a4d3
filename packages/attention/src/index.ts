export * from './attention/index.js';
export * from './cross-attention/index.js';
export * from './nadaraya-watson/index.js';
