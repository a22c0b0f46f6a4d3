// The kernels of this package that others may call: they import them from the module that runs on the same heap.

/** C = A B or C += A B; see `gemm.as`. */
// @ts-ignore: decorator
@external('tensor', 'gemm')
export declare function gemm(
  m: i32, n: i32, k: i32, a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, c: usize, cRow: i32, add: bool,
): void;

/** B [k, n] in strips of 8 columns, for `gemmPacked`. */
// @ts-ignore: decorator
@external('tensor', 'packColumns')
export declare function packColumns(dst: usize, n: i32, k: i32, b: usize, bRow: i32, bCol: i32): void;

/** The product with a B from `packColumns`. */
// @ts-ignore: decorator
@external('tensor', 'gemmPacked')
export declare function gemmPacked(
  m: i32, n: i32, k: i32, a: usize, aRow: i32, aCol: i32, b: usize, c: usize, cRow: i32, add: bool,
): void;
