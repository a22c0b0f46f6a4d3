// The forward kernel: tiles of scores, softmax online.
import { expLow, log } from '../../tensor/wasm/functions';
import { madd, tileRows } from '../../tensor/wasm/memory';
import {
  blocksOf, Call, eights, factors, heads, KEYS, keysAt, LINE, restAt, ROWS, scoresAt, tops, totals, valuesAt,
} from './call';
import { bend, clear, endOf, firstOf, isPlain, keptAt, openRows, rowAt } from './score';
import { columns4, columns6, copyRow, copyRows, rows, turn4 } from './tile';

/** With as few rows keys and values are read where they lie, and a row is no more than it is. */
const FEW: i32 = 2;

/** The rows of a block turned, [D, ROWS], and its sums [ROWS, V padded]. */
@inline
function queriesAt(c: Call, block: i32): usize {
  return restAt(c.D, c.V) + <usize>block * <usize>(c.D + eights(c.V)) * LINE;
}
@inline
function sumsAt(c: Call, block: i32): usize {
  return queriesAt(c, block) + <usize>c.D * LINE;
}

/** Tiles of rows in a unit. */
export function forwardBlocks(D: i32, V: i32): i32 {
  return blocksOf(D, V, D + eights(V));
}

/** dst [width, ROWS] = by · the rows n0 … n0 + count − 1 of group g of x, turned; 0 behind them up to eights. */
export function turnRows(
  c: Call, dst: usize, x: usize, xB: i32, xT: i32, xH: i32, width: i32, b: i32, g: i32, n0: i32, count: i32, by: f32,
): void {
  const R = c.H / c.G;
  for (let r = 0; r < eights(count); r += 4) {
    if (r >= count) {
      for (let d = 0; d < width; d++) v128.store(dst + <usize>d * LINE + <usize>r * 4, f32x4.splat(0));
      continue;
    }
    const last = n0 + count - 1;
    const n = n0 + r, n1 = min(n + 1, last), n2 = min(n + 2, last), n3 = min(n + 3, last);
    const h = g * R;
    turn4(
      dst + <usize>r * 4, LINE, width, by,
      rowAt(x, xB, xT, xH, b, h + n % R, n / R), rowAt(x, xB, xT, xH, b, h + n1 % R, n1 / R),
      rowAt(x, xB, xT, xH, b, h + n2 % R, n2 / R), rowAt(x, xB, xT, xH, b, h + n3 % R, n3 / R),
    );
  }
}

/** Scores of rows x … x + 3 become weights; the sums of the rows are scaled where a larger score came. */
function weigh(c: Call, block: i32, x: usize, start: i32, j0: i32, a: i32, z: i32): void {
  const tile = scoresAt();
  if (!isPlain(c, block, x, j0 + a, j0 + z)) bend(c, block, x, tile, start, j0, a, z, false);
  const before = v128.load(tops(block) + x);
  const from = tile + <usize>a * LINE + x;
  const end = tile + <usize>z * LINE + x;
  let top = before;
  for (let at = from; at < end; at += LINE) top = f32x4.pmax(top, v128.load(at));
  let total = v128.load(totals(block) + x);
  if (v128.any_true(f32x4.ne(top, before))) {
    const by = expLow(f32x4.sub(before, top));
    total = f32x4.mul(total, by);
    v128.store(tops(block) + x, top);
    v128.store(factors(block) + x, by);
    const V = <usize>eights(c.V) * 4;
    let sum = sumsAt(c, block) + x * <usize>eights(c.V);
    for (let r: usize = 0; r < 16; r += 4) {
      const f = v128.load32_splat(factors(block) + x + r);
      for (let d: usize = 0; d < V; d += 16) v128.store(sum + d, f32x4.mul(f, v128.load(sum + d)));
      sum += V;
    }
  }
  for (let at = from; at < end; at += LINE) {
    const e = expLow(f32x4.sub(v128.load(at), top));
    total = f32x4.add(total, e);
    v128.store(at, e);
  }
  v128.store(totals(block) + x, total);
  if (c.boost > 0) {
    for (let j = a; j < z; j++) {
      const at = tile + <usize>j * LINE + x;
      v128.store(at, f32x4.mul(v128.load(at), keptAt(c, block, x, j0 + j)));
    }
  }
}

/** A tile: rows of a block against the keys j0 … j0 + n − 1, which lie padded in the workplace. */
export function meetForward(c: Call, block: i32, count: i32, start: i32, j0: i32, n: i32): void {
  const low = firstOf(c, block, 0, count, j0, j0 + n) - j0;
  const high = endOf(c, block, 0, count, j0, j0 + n) - j0;
  if (low >= high) return;
  const tile = scoresAt();
  const kRow = <usize>eights(c.D) * 4, vRow = <usize>eights(c.V) * 4;
  for (let r = 0; r < count; r += 8) {
    const a = firstOf(c, block, r, r + 8, j0, j0 + n) - j0;
    const z = endOf(c, block, r, r + 8, j0, j0 + n) - j0;
    const x = <usize>r * 4;
    if (a < z) {
      rows(z - a, c.D, keysAt() + <usize>a * kRow, kRow, queriesAt(c, block) + x, LINE, tile + <usize>a * LINE + x, LINE, false);
      weigh(c, block, x, start, j0, a, z);
      weigh(c, block, x + 16, start, j0, a, z);
    }
    for (let y = x; y < x + 32; y += 16) {
      clear(tile, y, low, a < z ? a : high);
      if (a < z) clear(tile, y, z, high);
    }
  }
  for (let r = 0; r < count; r += tileRows()) {
    // Rows behind the eights of the last ones are not there.
    const a = firstOf(c, block, r, min(r + tileRows(), ROWS), j0, j0 + n) - j0;
    const z = endOf(c, block, r, min(r + tileRows(), ROWS), j0, j0 + n) - j0;
    if (a >= z) continue;
    const at = tile + <usize>a * LINE + <usize>r * 4;
    let from = valuesAt(c.D) + <usize>a * vRow;
    let sum = sumsAt(c, block) + <usize>r * vRow;
    for (let d = 0; d < c.V; d += 8) {
      if (tileRows() === 6) columns6(z - a, at, LINE, from, vRow, sum, vRow);
      else columns4(z - a, at, LINE, from, vRow, sum, vRow);
      from += 32;
      sum += 32;
    }
  }
}

/** A tile of few rows; keys and values where they lie. */
function meetFew(c: Call, b: i32, g: i32, count: i32, start: i32, j0: i32, n: i32, q: usize): void {
  const low = firstOf(c, 0, 0, count, j0, j0 + n) - j0;
  const high = endOf(c, 0, 0, count, j0, j0 + n) - j0;
  if (low >= high) return;
  const tile = scoresAt();
  const whole = <usize>(c.D & ~3) * 4, D = <usize>c.D * 4;
  for (let j = low; j < high; j++) {
    const key = rowAt(c.k, c.kB, c.kT, c.kH, b, g, j0 + j);
    let x = q;
    for (let r: usize = 0; r < 4 * <usize>count; r += 4) {
      let s0 = f32x4.splat(0), s1 = s0;
      let d: usize = 0;
      for (; d + 16 < whole; d += 32) {
        s0 = madd(v128.load(x + d), v128.load(key + d), s0);
        s1 = madd(v128.load(x + d, 16), v128.load(key + d, 16), s1);
      }
      if (d < whole) {
        s0 = madd(v128.load(x + d), v128.load(key + d), s0);
        d += 16;
      }
      s0 = f32x4.add(s0, s1);
      let s = f32x4.extract_lane(s0, 0) + f32x4.extract_lane(s0, 1) + (f32x4.extract_lane(s0, 2) + f32x4.extract_lane(s0, 3));
      for (; d < D; d += 4) s += f32.load(x + d) * f32.load(key + d);
      f32.store(tile + <usize>j * LINE + r, s);
      x += <usize>eights(c.D) * 4;
    }
    for (let r: usize = <usize>count * 4; r < 16; r += 4) f32.store(tile + <usize>j * LINE + r, 0);
  }
  weigh(c, 0, 0, start, j0, low, high);
  const V = <usize>c.V * 4, vRow = <usize>eights(c.V) * 4;
  for (let j = low; j < high; j++) {
    const value = rowAt(c.v, c.vB, c.vT, c.vH, b, g, j0 + j);
    let sum = sumsAt(c, 0);
    for (let r: usize = 0; r < 4 * <usize>count; r += 4) {
      const w = v128.load32_splat(tile + <usize>j * LINE + r);
      let d: usize = 0;
      for (; d + 16 <= V; d += 16) v128.store(sum + d, madd(w, v128.load(value + d), v128.load(sum + d)));
      for (; d < V; d += 4) v128.store32_lane(sum + d, madd(w, v128.load32_zero(value + d), v128.load32_zero(sum + d)), 0);
      sum += vRow;
    }
  }
}

/** Results of a block: sums divided by totals, and lse; a row that saw nothing gives 0 and −∞. */
function close(c: Call, block: i32, b: i32, g: i32, n0: i32, count: i32): void {
  const R = c.H / c.G;
  const V = <usize>c.V * 4;
  for (let x: usize = 0; x < <usize>count * 4; x += 16) {
    const total = v128.load(totals(block) + x);
    const some = f32x4.gt(total, f32x4.splat(0));
    const lse = f32x4.add(v128.load(tops(block) + x), log(total));
    v128.store(tops(block) + x, v128.bitselect(lse, f32x4.splat(-Infinity), some));
    v128.store(totals(block) + x, v128.bitselect(f32x4.div(f32x4.splat(1), total), f32x4.splat(0), some));
  }
  for (let r = 0; r < count; r++) {
    const n = n0 + r;
    const t = n / R, h = g * R + n % R;
    const sum = sumsAt(c, block) + <usize>r * <usize>eights(c.V) * 4;
    const f = v128.load32_splat(totals(block) + <usize>r * 4);
    const to = rowAt(c.o, c.oB, c.oT, c.oH, b, h, t);
    let d: usize = 0;
    for (; d + 16 <= V; d += 16) v128.store(to + d, f32x4.mul(f, v128.load(sum + d)));
    for (; d < V; d += 4) v128.store32_lane(to + d, f32x4.mul(f, v128.load32_zero(sum + d)), 0);
    f32.store(rowAt(c.lse, c.lseB, c.lseT, c.lseH, b, h, t), f32.load(tops(block) + <usize>r * 4));
  }
}

/** o and lse of the units from … to − 1; a unit is a batch row, a head group and `forwardBlocks` tiles of its rows. */
export function flashForward(c: Call, from: i32, to: i32): void {
  const blocks = forwardBlocks(c.D, c.V);
  const N = c.T * (c.H / c.G);
  const perGroup = (N + blocks * ROWS - 1) / (blocks * ROWS);
  for (let unit = from; unit < to; unit++) {
    const b = unit / perGroup / c.G;
    const g = unit / perGroup % c.G;
    const first = unit % perGroup * blocks * ROWS;
    const many = min(blocks, (N - first + ROWS - 1) / ROWS);
    const few = N <= FEW;
    let low = c.S, high = 0;
    for (let block = 0; block < many; block++) {
      const n0 = first + block * ROWS;
      const count = min(ROWS, N - n0);
      openRows(c, block, b, g, n0, count);
      for (let x: usize = 0; x < LINE; x += 16) {
        v128.store(tops(block) + x, f32x4.splat(-1e30));
        v128.store(totals(block) + x, f32x4.splat(0));
      }
      memory.fill(sumsAt(c, block), 0, LINE * <usize>eights(c.V));
      if (!few) turnRows(c, queriesAt(c, block), c.q, c.qB, c.qT, c.qH, c.D, b, g, n0, count, c.scale);
      low = min(low, firstOf(c, block, 0, count, 0, c.S));
      high = max(high, endOf(c, block, 0, count, 0, c.S));
    }
    if (few) {
      // Rows as they are, scaled.
      for (let r = 0; r < N; r++) {
        const to = keysAt() + <usize>r * <usize>eights(c.D) * 4;
        copyRow(to, c.D, eights(c.D), rowAt(c.q, c.qB, c.qT, c.qH, b, i32.load(heads(0) + <usize>r * 4), r / (c.H / c.G)));
        for (let d: usize = 0; d < <usize>eights(c.D) * 4; d += 16) v128.store(to + d, f32x4.mul(v128.load(to + d), f32x4.splat(c.scale)));
      }
    }
    const place = c.places + <usize>b * <usize>c.placesB;
    const start = i32.load(place);
    for (let j0 = low / KEYS * KEYS; j0 < high; j0 += KEYS) {
      const n = min(KEYS, high - j0);
      if (few) {
        meetFew(c, b, g, N, start, j0, n, keysAt());
        continue;
      }
      copyRows(keysAt(), n, c.D, eights(c.D), rowAt(c.k, c.kB, c.kT, c.kH, b, g, j0), c.kT);
      copyRows(valuesAt(c.D), n, c.V, eights(c.V), rowAt(c.v, c.vB, c.vT, c.vH, b, g, j0), c.vT);
      for (let block = 0; block < many; block++) meetForward(c, block, min(ROWS, N - first - block * ROWS), start, j0, n);
    }
    for (let block = 0; block < many; block++) {
      const n0 = first + block * ROWS;
      close(c, block, b, g, n0, min(ROWS, N - n0));
    }
  }
}
