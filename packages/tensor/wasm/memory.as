// Fixed places at the bottom of the heap: constants below 4096, then these. The allocator begins at HEAP_BASE.

/** One tile of C at the edge of a matrix. */
export const TILE: usize = 4096;
/** Up to BUFFER_N elements that do not lie side by side or do not fill a vector. */
export const BUFFER: usize = 5120;
export const BUFFER_N: i32 = 256;
/** Strips of A: up to BLOCK_M rows of BLOCK_K. */
export const PACK_A: usize = 8192;
export const BLOCK_M: i32 = 96;
export const BLOCK_K: i32 = 256;
/** Strips of B: up to BLOCK_N columns of BLOCK_K. */
export const PACK_B: usize = 131072;
export const BLOCK_N: i32 = 768;
/** PACK_B + 4 (BLOCK_N + 8) BLOCK_K, rounded up to pages of 64 KiB. */
export const HEAP_BASE: usize = 983040;

/** a b + c: rounded once where the build and the processor can, else twice. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
