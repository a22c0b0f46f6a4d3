// The backward kernel: weights of a tile are made again from lse, then its five products; gradients add up in place.
import { expLow } from '../../tensor/wasm/functions';
import { bufferAt, madd, tileRows } from '../../tensor/wasm/memory';
import {
  bentAt, blocksOf, Call, eights, ERRORS, errorsAt, factors, heads, KEYS, keysAt, LINE, restAt, ROWS, scoresAt, tops, totals, valuesAt,
} from './call';
import { bend, clear, endOf, firstOf, isPlain, keptAt, openRows, rowAt } from './score';
import { turnRows } from './forward';
import { addRows, columns4, columns6, copyRow, copyRows, rows } from './tile';

/** Gradients of the tile's keys [KEYS, D] and values [KEYS, V], padded to eights. */
@inline
function keySumsAt(c: Call): usize {
  return restAt(c.D, c.V);
}
@inline
function valueSumsAt(c: Call): usize {
  return keySumsAt(c) + <usize>KEYS * <usize>eights(c.D) * 4;
}

/** Of a block: queries and gradients by o turned, [D, ROWS] and [V, ROWS], then as rows padded to eights, then dq. */
@inline
function columnsOf(D: i32, V: i32): i32 {
  return D + V + 2 * eights(D) + eights(V);
}
@inline
function queriesTurned(c: Call, block: i32): usize {
  const blocks = valueSumsAt(c) + <usize>KEYS * <usize>eights(c.V) * 4;
  return blocks + <usize>block * <usize>columnsOf(c.D, c.V) * LINE;
}
@inline
function byTurned(c: Call, block: i32): usize {
  return queriesTurned(c, block) + <usize>c.D * LINE;
}
@inline
function queriesAt(c: Call, block: i32): usize {
  return byTurned(c, block) + <usize>c.V * LINE;
}
@inline
function byAt(c: Call, block: i32): usize {
  return queriesAt(c, block) + <usize>eights(c.D) * LINE;
}
@inline
function sumsAt(c: Call, block: i32): usize {
  return byAt(c, block) + <usize>eights(c.V) * LINE;
}

/** All that the rows of a block bring along: operands, lse, delta = do · o − dlse. */
export function openBlock(c: Call, block: i32, b: i32, g: i32, n0: i32, count: i32): void {
  const R = c.H / c.G;
  openRows(c, block, b, g, n0, count);
  turnRows(c, queriesTurned(c, block), c.q, c.qB, c.qT, c.qH, c.D, b, g, n0, count, c.scale);
  turnRows(c, byTurned(c, block), c.y, c.yB, c.yT, c.yH, c.V, b, g, n0, count, 1);
  // The results turned need a place for a moment only: that of keys and values.
  turnRows(c, keysAt(), c.o, c.oB, c.oT, c.oH, c.V, b, g, n0, count, 1);
  const kRow = <usize>eights(c.D) * 4, vRow = <usize>eights(c.V) * 4;
  for (let x: usize = 0; x < <usize>eights(count) * 4; x += 16) {
    let delta = f32x4.splat(0);
    // In the order in which products of gradients and values add up, so that a single key gets an exact zero.
    for (let d: usize = 0; d < <usize>c.V * LINE; d += LINE) {
      delta = madd(v128.load(keysAt() + d + x), v128.load(byTurned(c, block) + d + x), delta);
    }
    v128.store(totals(block) + x, delta);
  }
  for (let r = 0; r < eights(count); r++) {
    const at = <usize>r * 4;
    const there = r < count;
    const n = n0 + min(r, count - 1);
    const t = n / R, h = i32.load(heads(block) + at);
    const lse = f32.load(rowAt(c.lse, c.lseB, c.lseT, c.lseH, b, h, t));
    f32.store(tops(block) + at, there && lse > -Infinity ? lse : 0);
    if (!there) f32.store(totals(block) + at, 0);
    else if (c.dl !== 0) f32.store(totals(block) + at, f32.load(totals(block) + at) - f32.load(rowAt(c.dl, c.dlB, c.dlT, c.dlH, b, h, t)));
    if (c.dBias !== 0) i32.store(factors(block) + at, <i32>rowAt(c.dBias, c.dBiasB, c.dBiasT, c.dBiasH, b, h, t));
    copyRow(queriesAt(c, block) + <usize>r * kRow, there ? c.D : 0, eights(c.D), rowAt(c.q, c.qB, c.qT, c.qH, b, h, t));
    copyRow(byAt(c, block) + <usize>r * vRow, there ? c.V : 0, eights(c.V), rowAt(c.y, c.yB, c.yT, c.yH, b, h, t));
  }
  memory.fill(sumsAt(c, block), 0, LINE * <usize>eights(c.D));
}

/** Products of rows x … x + 3 become weights, as dropout left them, and errors of scores, times scale. */
function weigh(c: Call, block: i32, x: usize, start: i32, j0: i32, a: i32, z: i32): void {
  const tile = scoresAt(), errors = errorsAt();
  if (!isPlain(c, block, x, j0 + a, j0 + z)) bend(c, block, x, tile, start, j0, a, z, true);
  const norm = v128.load(tops(block) + x);
  const delta = v128.load(totals(block) + x);
  const scale = f32x4.splat(c.scale);
  const drops = c.boost > 0, bends = c.softcap > 0;
  if (!drops && !bends && c.dBias === 0) {
    const end = tile + <usize>z * LINE + x;
    for (let at = tile + <usize>a * LINE + x; at < end; at += LINE) {
      const p = expLow(f32x4.sub(v128.load(at), norm));
      const e = f32x4.mul(f32x4.sub(v128.load(at, ERRORS), delta), scale);
      v128.store(at, p);
      v128.store(at, f32x4.mul(p, e), ERRORS);
    }
    return;
  }
  for (let j = a; j < z; j++) {
    const at = <usize>j * LINE + x;
    const p = expLow(f32x4.sub(v128.load(tile + at), norm));
    let w = p;
    let e = v128.load(errors + at);
    if (drops) {
      const kept = keptAt(c, block, x, j0 + j);
      w = f32x4.mul(p, kept);
      e = f32x4.mul(e, kept);
    }
    e = f32x4.mul(p, f32x4.sub(e, delta));
    if (c.dBias !== 0) addBias(c, block, x, <usize>(j0 + j) * <usize>c.dBiasS, e);
    e = f32x4.mul(e, scale);
    if (bends) e = f32x4.mul(e, v128.load(bentAt() + at));
    v128.store(tile + at, w);
    v128.store(errors + at, e);
  }
}

/** Errors of rows x … x + 3 into the gradient of the bias, one after the other: rows may share an element. */
function addBias(c: Call, block: i32, x: usize, step: usize, e: v128): void {
  const rows = factors(block) + x;
  for (let r: usize = 0; r < 16; r += 4) {
    const at = <usize>i32.load(rows + r) + step;
    f32.store(at, f32.load(at) + f32x4.extract_lane(e, 0));
    e = v128.shuffle<f32>(e, e, 1, 2, 3, 0);
  }
}

/** A tile: rows of a block against the keys j0 … j0 + n − 1, which lie padded in the workplace. */
export function meetBackward(c: Call, block: i32, count: i32, start: i32, j0: i32, n: i32): void {
  const low = firstOf(c, block, 0, count, j0, j0 + n) - j0;
  const high = endOf(c, block, 0, count, j0, j0 + n) - j0;
  if (low >= high) return;
  const tile = scoresAt(), errors = errorsAt();
  const kRow = <usize>eights(c.D) * 4, vRow = <usize>eights(c.V) * 4;
  for (let r = 0; r < count; r += 8) {
    const a = firstOf(c, block, r, r + 8, j0, j0 + n) - j0;
    const z = endOf(c, block, r, r + 8, j0, j0 + n) - j0;
    const x = <usize>r * 4;
    // Keys that eight rows see, for the products by key.
    i32.store(bufferAt() + x, a);
    i32.store(bufferAt() + x, z, 4);
    if (a < z) {
      const at = <usize>a * LINE + x;
      rows(z - a, c.D, keysAt() + <usize>a * kRow, kRow, queriesTurned(c, block) + x, LINE, tile + at, LINE, false);
      rows(z - a, c.V, valuesAt(c.D) + <usize>a * vRow, vRow, byTurned(c, block) + x, LINE, errors + at, LINE, false);
      weigh(c, block, x, start, j0, a, z);
      weigh(c, block, x + 16, start, j0, a, z);
    }
    for (let y = x; y < x + 32; y += 16) {
      clear(tile, y, low, a < z ? a : high);
      clear(errors, y, low, a < z ? a : high);
      if (a < z) {
        clear(tile, y, z, high);
        clear(errors, y, z, high);
      }
    }
  }
  for (let j = low; j < high; j += tileRows()) {
    const many = min(tileRows(), high - j);
    let first = ROWS, end = 0;
    for (let r = 0; r < count; r += 8) {
      if (i32.load(bufferAt() + <usize>r * 4) >= j + many || i32.load(bufferAt() + <usize>r * 4, 4) <= j) continue;
      first = min(first, r);
      end = r + 8;
    }
    if (first >= end) continue;
    const at = <usize>j * LINE + <usize>first * 4;
    addRows(many, end - first, tile + at, LINE, byAt(c, block) + <usize>first * vRow, vRow, valueSumsAt(c) + <usize>j * vRow);
    addRows(many, end - first, errors + at, LINE, queriesAt(c, block) + <usize>first * kRow, kRow, keySumsAt(c) + <usize>j * kRow);
  }
  for (let r = 0; r < count; r += tileRows()) {
    const a = firstOf(c, block, r, min(r + tileRows(), ROWS), j0, j0 + n) - j0;
    const z = endOf(c, block, r, min(r + tileRows(), ROWS), j0, j0 + n) - j0;
    if (a >= z) continue;
    const at = errors + <usize>a * LINE + <usize>r * 4;
    let from = keysAt() + <usize>a * kRow;
    let sum = sumsAt(c, block) + <usize>r * kRow;
    for (let d = 0; d < c.D; d += 8) {
      if (tileRows() === 6) columns6(z - a, at, LINE, from, kRow, sum, kRow);
      else columns4(z - a, at, LINE, from, kRow, sum, kRow);
      from += 32;
      sum += 32;
    }
  }
}

/** Gradients of the units from … to − 1, a unit being a batch row and a head group; that of the bias needs all at once. */
export function flashBackward(c: Call, from: i32, to: i32): void {
  const R = c.H / c.G;
  const N = c.T * R;
  const blocks = blocksOf(2 * eights(c.D), 2 * eights(c.V), columnsOf(c.D, c.V));
  for (let unit = from; unit < to; unit++) {
    const b = unit / c.G;
    const g = unit % c.G;
    // Where the gradients of key 0 lie, and how far apart those of its neighbours.
    const dk = c.dk + <usize>(b * c.S * c.G + g) * <usize>c.D * 4, dkT = <usize>(c.G * c.D) * 4;
    const dv = c.dv + <usize>(b * c.S * c.G + g) * <usize>c.V * 4, dvT = <usize>(c.G * c.V) * 4;
    for (let j: usize = 0; j < <usize>c.S; j++) {
      copyRow(dk + j * dkT, 0, c.D, 0);
      copyRow(dv + j * dvT, 0, c.V, 0);
    }
    const start = i32.load(c.places + <usize>b * <usize>c.placesB);
    for (let first = 0; first < N; first += blocks * ROWS) {
      const many = min(blocks, (N - first + ROWS - 1) / ROWS);
      let low = c.S, high = 0;
      for (let block = 0; block < many; block++) {
        const n0 = first + block * ROWS;
        const count = min(ROWS, N - n0);
        openBlock(c, block, b, g, n0, count);
        low = min(low, firstOf(c, block, 0, count, 0, c.S));
        high = max(high, endOf(c, block, 0, count, 0, c.S));
      }
      for (let j0 = low / KEYS * KEYS; j0 < high; j0 += KEYS) {
        const n = min(KEYS, high - j0);
        copyRows(keysAt(), n, c.D, eights(c.D), rowAt(c.k, c.kB, c.kT, c.kH, b, g, j0), c.kT);
        copyRows(valuesAt(c.D), n, c.V, eights(c.V), rowAt(c.v, c.vB, c.vT, c.vH, b, g, j0), c.vT);
        copyRows(keySumsAt(c), n, c.D, eights(c.D), dk + <usize>j0 * dkT, dkT);
        copyRows(valueSumsAt(c), n, c.V, eights(c.V), dv + <usize>j0 * dvT, dvT);
        for (let block = 0; block < many; block++) meetBackward(c, block, min(ROWS, N - first - block * ROWS), start, j0, n);
        for (let j: usize = 0; j < <usize>n; j++) {
          copyRow(dk + (<usize>j0 + j) * dkT, c.D, 0, keySumsAt(c) + j * <usize>eights(c.D) * 4);
          copyRow(dv + (<usize>j0 + j) * dvT, c.V, 0, valueSumsAt(c) + j * <usize>eights(c.V) * 4);
        }
      }
      for (let block = 0; block < many; block++) {
        const n0 = first + block * ROWS;
        for (let r = 0; r < min(ROWS, N - n0); r++) {
          const row = <usize>((b * c.T + (n0 + r) / R) * c.H + i32.load(heads(block) + <usize>r * 4));
          copyRow(c.dq + row * <usize>c.D * 4, c.D, 0, sumsAt(c, block) + <usize>r * <usize>eights(c.D) * 4);
        }
      }
    }
  }
}
