// What a call is: words that `src/flash-attention/words.ts` writes in this order, and places in the workplace of a thread.
import { packA, WORKPLACE } from '../../tensor/wasm/memory';

/** A call; addresses and distances in bytes, 0 for what is not there. */
@unmanaged
export class Call {
  B: i32; T: i32; S: i32; H: i32; G: i32; D: i32; V: i32;
  q: usize; qB: i32; qT: i32; qH: i32;
  k: usize; kB: i32; kT: i32; kH: i32;
  v: usize; vB: i32; vT: i32; vH: i32;
  o: usize; oB: i32; oT: i32; oH: i32;
  lse: usize; lseB: i32; lseH: i32; lseT: i32;
  /** i32 [B or 1, T, 3]: position, and the positions that are seen, from and to. */
  places: usize; placesB: i32;
  bias: usize; biasB: i32; biasH: i32; biasT: i32; biasS: i32;
  slopes: usize; slopesB: i32; slopesH: i32;
  /** M of a ring; 0: key j has position j. */
  ring: i32;
  scale: f32;
  softcap: f32;
  /** Dropout: share kept, factor of what is kept (0: none dropped), key. */
  keep: f32; boost: f32; key0: i32; key1: i32;
  /** Of the backward kernel: gradients by o and lse, and those that it computes. */
  y: usize; yB: i32; yT: i32; yH: i32;
  dl: usize; dlB: i32; dlH: i32; dlT: i32;
  dq: usize; dk: usize; dv: usize;
  dBias: usize; dBiasB: i32; dBiasH: i32; dBiasT: i32; dBiasS: i32;
}

/** Rows of a tile: queries of all heads that share keys, query by query. A multiple of 4, 6 and 8. */
export const ROWS: i32 = 48;
/** Bytes of a row of ROWS numbers. */
export const LINE: usize = 192;
/** Keys of a tile, of which the scores are [KEYS, ROWS]. */
export const KEYS: i32 = 96;
/** Tiles one above the other that use keys and values while these are near. */
export const BLOCKS: i32 = 4;

/** n rounded up to eights. */
@inline
export function eights(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Words about each row: see the places below. */
const WORDS: usize = 10;
/** f32 or i32 [ROWS] each: position, seen from and to; slope; offset of the bias; word of dropout; and numbers of the kernel. */
@inline export function positions(block: i32): usize { return packA() + <usize>block * WORDS * LINE; }
@inline export function froms(block: i32): usize { return positions(block) + LINE; }
@inline export function tos(block: i32): usize { return positions(block) + 2 * LINE; }
@inline export function slopesAt(block: i32): usize { return positions(block) + 3 * LINE; }
@inline export function biases(block: i32): usize { return positions(block) + 4 * LINE; }
@inline export function draws(block: i32): usize { return positions(block) + 5 * LINE; }
/** Forward: largest score. Backward: log-sum-exp. */
@inline export function tops(block: i32): usize { return positions(block) + 6 * LINE; }
/** Forward: sum. Backward: delta. */
@inline export function totals(block: i32): usize { return positions(block) + 7 * LINE; }
/** Forward: factor of what was before. Backward: offset of the bias's gradient. */
@inline export function factors(block: i32): usize { return positions(block) + 8 * LINE; }
/** Head of the row. */
@inline export function heads(block: i32): usize { return positions(block) + 9 * LINE; }

/** [KEYS, ROWS] each: scores, which become weights; errors, ERRORS bytes behind; slopes of softcap. */
@inline export function scoresAt(): usize { return packA() + <usize>BLOCKS * WORDS * LINE; }
export const ERRORS: usize = 18432;
@inline export function errorsAt(): usize { return scoresAt() + ERRORS; }
@inline export function bentAt(): usize { return errorsAt() + <usize>KEYS * LINE; }
/** Keys [KEYS, D] and values [KEYS, V] of the tile, padded to eights; what follows begins behind them. */
@inline export function keysAt(): usize { return bentAt() + <usize>KEYS * LINE; }
@inline export function valuesAt(D: i32): usize { return keysAt() + <usize>KEYS * <usize>eights(D) * 4; }
@inline export function restAt(D: i32, V: i32): usize { return valuesAt(D) + <usize>KEYS * <usize>eights(V) * 4; }

/** How many tiles fit one above the other when each has so many columns of ROWS beside. */
export function blocksOf(D: i32, V: i32, columns: i32): i32 {
  const room = packA() + WORKPLACE - 4096 - restAt(D, V);
  return min(BLOCKS, <i32>(room / (LINE * <usize>columns)));
}
