export { column, gemm, gemmBatch, gemmPacked, packColumns, tile4, tile6 } from './gemm';
export * from './conv';
export * from './elementwise';
export * from './move';
export * from './norms';
export * from './rows';
export * from './update';
