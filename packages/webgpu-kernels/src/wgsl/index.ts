export { mathOf } from './math.js';
export type { Element, Operand, ShaderSpec } from './shader.js';
export { grid, maxWorkgroups, memo, reads, shader, writes } from './shader.js';
export type { FoldSpec } from './reduce.js';
export { bitsText, combineText, foldBytes, foldLanes } from './reduce.js';
export { threefry } from './threefry.js';
