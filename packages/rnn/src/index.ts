export * from './elman/index.js';
export * from './ema/index.js';
export * from './gru/index.js';
export * from './lstm/index.js';
export { recurrenceCases } from './cases.js';
export type { RecurrenceCase } from './cases.js';
