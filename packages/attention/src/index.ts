export * from './attention/index.js';
