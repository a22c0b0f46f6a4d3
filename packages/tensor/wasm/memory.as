// Fixed places at the bottom of the heap. All addresses below HEAP_BASE belong to the kernels:
//
//        0 …  1024  what the device tells its kernels: `tileRows`
//     1024 …  4096  constants of this package's kernels
//     4096 …  8192  constants of a room's kernels, of one room at a time
//     8192 … HEAP_BASE  the workplace of the first thread; the other threads have theirs in blocks of the heap

/** Where the workplace of this thread begins. */
// @ts-ignore: decorator
@external('env', 'base')
declare const BASE: usize;

/** Rows of a tile of sums, as many as the registers hold: 6, or 4 where a multiply-add takes several instructions. */
@inline
export function tileRows(): i32 {
  return i32.load(0);
}

/** Bytes of a workplace. */
export const WORKPLACE: usize = 1236992;
/** The allocator begins here. */
export const HEAP_BASE: usize = 1245184;

/** One tile of C at the edge of a matrix: 1 KiB. */
@inline
export function tileAt(): usize {
  return BASE;
}

/** Up to BUFFER_N elements that do not lie side by side or do not fill a vector. */
export const BUFFER_N: i32 = 256;
@inline
export function bufferAt(): usize {
  return BASE + 1024;
}

/** Strips of A: up to BLOCK_M rows of BLOCK_K. */
export const BLOCK_M: i32 = 96;
export const BLOCK_K: i32 = 256;
@inline
export function packA(): usize {
  return BASE + 4096;
}

/** Strips of B: up to BLOCK_N columns and 8 of BLOCK_K. */
export const BLOCK_N: i32 = 1024;
@inline
export function packB(): usize {
  return BASE + 122880;
}

/** a b + c: rounded once where the engine has relaxed SIMD and the processor can, else twice. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return f32x4.relaxed_madd(a, b, c);
}
