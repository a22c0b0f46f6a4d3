export * from './flash-attention/index.js';
export { flashCases } from './cases.js';
