export * from './mamba/index.js';
