export * from './bigram/index.js';
export * from './cnn/index.js';
