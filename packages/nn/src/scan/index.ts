export { matrixScan, matrixScanBackwardOp, matrixScanOp, matrixStepOp } from './op.js';
export type { MatrixScanOptions } from './op.js';
export { matrixScanNaive } from './naive.js';
export type { MatrixScanArrays, MatrixScanSizes } from './naive.js';
export { scanCases } from './cases.js';
export { scanCost } from './shapes.js';
export type { ScanAttrs } from './shapes.js';
