export * from './bigram/index.js';
export * from './cnn/index.js';
export * from './ff/index.js';
export * from './tcn/index.js';
export * from './wavenet/index.js';
