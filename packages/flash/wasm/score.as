// Scores of a tile: who sees whom, softcap, biases, dropout; four rows at a time, which lie side by side.
import { tanh } from '../../tensor/wasm/functions';
import { bentAt, biases, Call, draws, froms, heads, LINE, positions, ROWS, slopesAt, tos } from './call';

/** Address of row n of a head group: query n / R, head n % R of the group. */
@inline
export function rowAt(x: usize, xB: i32, xT: i32, xH: i32, b: i32, h: i32, t: i32): usize {
  return x + <usize>b * <usize>xB + <usize>t * <usize>xT + <usize>h * <usize>xH;
}

/** Writes what is known of the rows n0 … n0 + count − 1 of group g; rows behind them see nothing. */
export function openRows(c: Call, block: i32, b: i32, g: i32, n0: i32, count: i32): void {
  const R = c.H / c.G;
  for (let r = 0; r < ROWS; r++) {
    const at = <usize>r * 4;
    const n = n0 + min(r, count - 1);
    const t = n / R;
    const h = g * R + n % R;
    const place = c.places + <usize>b * <usize>c.placesB + <usize>t * 12;
    i32.store(positions(block) + at, i32.load(place));
    i32.store(froms(block) + at, r < count ? i32.load(place, 4) : 0);
    i32.store(tos(block) + at, r < count ? i32.load(place, 8) : 0);
    i32.store(heads(block) + at, h);
    if (c.slopes !== 0) f32.store(slopesAt(block) + at, f32.load(c.slopes + <usize>b * <usize>c.slopesB + <usize>h * <usize>c.slopesH));
    if (c.bias !== 0) i32.store(biases(block) + at, <i32>rowAt(c.bias, c.biasB, c.biasT, c.biasH, b, h, t));
    i32.store(draws(block) + at, ((b * c.H + h) * c.T + t) * c.S);
  }
}

/** Position of key j of a batch row whose first query stands at `start`. */
@inline
function positionOf(c: Call, start: i32, j: i32): i32 {
  if (c.ring === 0) return j;
  if (j >= c.ring) return start + j - c.ring;
  const last = c.S === c.ring ? start : start - 1;
  const back = (last - j) % c.ring;
  return last - (back < 0 ? back + c.ring : back);
}

/** Keys of [low, high) that the rows [r0, r1) of a block may see: the first of them … */
export function firstOf(c: Call, block: i32, r0: i32, r1: i32, low: i32, high: i32): i32 {
  if (c.ring > 0) return low;
  let first = high;
  for (let r = r0; r < r1; r++) {
    const from = i32.load(froms(block) + <usize>r * 4);
    if (from < i32.load(tos(block) + <usize>r * 4)) first = min(first, max(from, low));
  }
  return first;
}

/** … and the one behind the last. */
export function endOf(c: Call, block: i32, r0: i32, r1: i32, low: i32, high: i32): i32 {
  if (c.ring > 0) return high;
  let end = low;
  for (let r = r0; r < r1; r++) {
    const to = i32.load(tos(block) + <usize>r * 4);
    if (i32.load(froms(block) + <usize>r * 4) < to) end = max(end, min(to, high));
  }
  return end;
}

/** Whether rows x … x + 3 see all keys [first, end) and nothing bends their scores. */
export function isPlain(c: Call, block: i32, x: usize, first: i32, end: i32): bool {
  if (c.softcap > 0 || c.bias !== 0 || c.slopes !== 0 || c.ring > 0) return false;
  const inside = v128.and(
    i32x4.le_s(v128.load(froms(block) + x), i32x4.splat(first)),
    i32x4.ge_s(v128.load(tos(block) + x), i32x4.splat(end)),
  );
  return i32x4.all_true(inside);
}

/** Four numbers: at the addresses of rows x … x + 3 and `step` bytes further. */
@inline
function gather(addresses: usize, step: usize): v128 {
  let x = v128.load32_zero(<usize>i32.load(addresses) + step);
  x = v128.load32_lane(<usize>i32.load(addresses, 4) + step, x, 1);
  x = v128.load32_lane(<usize>i32.load(addresses, 8) + step, x, 2);
  return v128.load32_lane(<usize>i32.load(addresses, 12) + step, x, 3);
}

/**
 * Products of rows x … x + 3 with the keys j0 + a … j0 + z − 1 become scores, −∞ where a key is not seen. `bends` keeps
 * the slopes of softcap.
 */
export function bend(c: Call, block: i32, x: usize, tile: usize, start: i32, j0: i32, a: i32, z: i32, bends: bool): void {
  const p = v128.load(positions(block) + x);
  const from = v128.load(froms(block) + x);
  const to = v128.load(tos(block) + x);
  const slope = v128.load(slopesAt(block) + x);
  const cap = f32x4.splat(c.softcap);
  const least = f32x4.splat(-1e29);
  for (let j = a; j < z; j++) {
    const at = tile + <usize>j * LINE + x;
    let s = v128.load(at);
    if (c.softcap > 0) {
      const t = tanh(f32x4.div(s, cap));
      s = f32x4.mul(cap, t);
      if (bends) v128.store(bentAt() + <usize>j * LINE + x, f32x4.sub(f32x4.splat(1), f32x4.mul(t, t)));
    }
    const place = i32x4.splat(positionOf(c, start, j0 + j));
    let seen = v128.and(i32x4.ge_s(place, from), i32x4.lt_s(place, to));
    if (c.bias !== 0) {
      const added = gather(biases(block) + x, <usize>(j0 + j) * <usize>c.biasS);
      s = f32x4.add(s, added);
      seen = v128.and(seen, f32x4.gt(added, least));
    }
    if (c.slopes !== 0) {
      const far = f32x4.convert_i32x4_s(i32x4.abs(i32x4.sub(p, place)));
      s = f32x4.sub(s, f32x4.mul(slope, far));
    }
    v128.store(at, v128.bitselect(s, f32x4.splat(-Infinity), seen));
  }
}

@inline
function turn(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by));
}

/** Factors of dropout of rows x … x + 3 and key j: 0, or what is kept is multiplied by. See `dropped.ts`. */
export function keptAt(c: Call, block: i32, x: usize, j: i32): v128 {
  const n = i32x4.add(v128.load(draws(block) + x), i32x4.splat(j));
  const k0 = i32x4.splat(c.key0);
  const k1 = i32x4.splat(c.key1);
  const k2 = i32x4.splat(c.key0 ^ c.key1 ^ 0x1bd11bda);
  let a = i32x4.add(i32x4.shr_u(n, 1), k0);
  let b = k1;
  for (let round = 1; round <= 5; round++) {
    const odd = (round & 1) === 1;
    a = i32x4.add(a, b); b = v128.xor(odd ? turn(b, 13) : turn(b, 17), a);
    a = i32x4.add(a, b); b = v128.xor(odd ? turn(b, 15) : turn(b, 29), a);
    a = i32x4.add(a, b); b = v128.xor(odd ? turn(b, 26) : turn(b, 16), a);
    a = i32x4.add(a, b); b = v128.xor(odd ? turn(b, 6) : turn(b, 24), a);
    // The words of the key in turns: the first after three rounds of four, and so on.
    const u = round % 3 === 0 ? k0 : round % 3 === 1 ? k1 : k2;
    const v = round % 3 === 0 ? k1 : round % 3 === 1 ? k2 : k0;
    a = i32x4.add(a, u);
    b = i32x4.add(i32x4.add(b, v), i32x4.splat(round));
  }
  const even = i32x4.eq(v128.and(n, i32x4.splat(1)), i32x4.splat(0));
  const word = i32x4.shr_u(v128.bitselect(a, b, even), 8);
  const drawn = f32x4.mul(f32x4.convert_i32x4_u(word), f32x4.splat(5.9604644775390625e-8));
  return v128.and(f32x4.lt(drawn, f32x4.splat(c.keep)), f32x4.splat(c.boost));
}

/** Zeros in rows x … x + 3 for the keys [from, to) of the tile. */
export function clear(tile: usize, x: usize, from: i32, to: i32): void {
  for (let j = from; j < to; j++) v128.store(tile + <usize>j * LINE + x, f32x4.splat(0));
}
