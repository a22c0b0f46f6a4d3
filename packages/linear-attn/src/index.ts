export * from './linear-attention/index.js';
export * from './retnet/index.js';
export * from './simple-gla/index.js';
export * from './gla/index.js';
export * from './hgrn2/index.js';
export * from './delta-rule/index.js';
export * from './gated-delta-rule/index.js';
export * from './rwkv7/index.js';
