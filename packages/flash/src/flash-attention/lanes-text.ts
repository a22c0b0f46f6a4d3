// Shader text for programs on the CPU whose subgroups are vector registers of four: some queries meet some keys in a tile.
// There every load costs as many instructions as it has elements and lanes, and a swap of neighbours costs one. So lanes
// read rows of their own, four elements at a time, and what one of them has read reaches the others by swaps: two
// operands of four lanes give all sixteen products.
import { each, upTo } from './text.js';

/** How the work is cut; both are multiples of what is computed at once. */
export interface LanesCut {
  /** Queries of a tile, a multiple of 16. */
  readonly queries: number;
  /** Keys of a tile, a multiple of 32. */
  readonly keys: number;
}

/** Lanes of a subgroup, and its workgroup. */
export const lanes = 4;
/** What is computed at once, in registers of all lanes. */
const rows = 16;
const columns = 32;

/** Where row n of the queries of a group begins in an operand. */
export const queryAt = (name: string, n: string): string =>
  `b * p.${name}_b + ${n} / p.R * p.${name}_t + (g * p.R + ${n} % p.R) * p.${name}_h`;

/** And in a result, whose rows are `width` wide. */
export const resultAt = (n: string, width: number): string =>
  `((b * p.T + ${n} / p.R) * p.H + g * p.R + ${n} % p.R) * ${width}u`;

/** Numbers that loops over keys need, read once. */
export const keysText = `
  let k_at = b * p.k_b + g * p.k_h;
  let k_step = p.k_t;
  let v_at = b * p.v_b + g * p.v_h;
  let v_step = p.v_t;
  let last_key = p.S - 1u;`;

/** Where the row of the n-th key from j on begins. */
export const keyAt = (name: 'k' | 'v', n: string): string =>
  `${name}_at + min(j + ${n}, last_key) * ${name}_step`;

/** Texts that read and write four neighbours of a row of a tile; n counts fours. */
export interface Tile {
  readonly get: (n: string) => string;
  readonly set: (n: string, value: string) => string;
}

/** The rows of an operand, read by `name_four`: `at` is the text of where row n begins. */
interface Rows {
  readonly name: string;
  readonly at: (n: string) => string;
}

/**
 * The rows of a result, read and written by `name_four` and `put_name`: `begun` says whether they hold a sum already,
 * `factor` by what it is multiplied first.
 */
interface Sums extends Rows {
  readonly begun?: string;
  readonly factor?: (n: string) => string;
}

/** The lane that is m swaps away. */
const lane = (m: number): string => (m === 0 ? 'sgid' : `(sgid ^ ${m}u)`);

/** a0 … a3: what the lanes that are 0 … 3 swaps away have read. */
const swapped = (four: string): string =>
  `let a0 = ${four}; let a1 = quadSwapX(a0); let a2 = quadSwapY(a0); let a3 = quadSwapDiagonal(a0);`;

/** The name of an element of four. */
export const part = (e: number): string => 'xyzw'[e];
/** A four of these elements. */
export const fourText = (text: (e: number) => string): string => `vec4<f32>(${upTo(4).map(text).join(', ')})`;
const sum = (text: (e: number) => string): string => upTo(4).map(text).join(' + ');
const line = (n: number, text: (i: number) => string): string => upTo(n).map(text).join(' ');

/**
 * tile[r, c] = Σ_d q_r[d] k_c[d] for the first `have` queries and `count` keys, and for some behind them, of which
 * there must be rows to read.
 */
export function tileProductsText(tile: Tile, q: Rows, k: Rows, D: number, cut: LanesCut): string {
  // Sum [i, m, c, e]: the query m swaps away among the i-th four, key 4 · lane + e of the c-th sixteen.
  const [I, C] = [rows / 4, columns / 16];
  const sums = (text: (i: number, m: number, c: number) => string): string =>
    each(I, (i) => line(4, (m) => line(C, (c) => text(i, m, c))));
  return `
  for (var r0 = 0u; r0 < have; r0 += ${rows}u) {
    ${each(I, (i) => `let row${i} = ${q.at(`(r0 + ${4 * i}u + sgid)`)};`)}
    for (var c0 = 0u; c0 < count; c0 += ${columns}u) {
      ${each(C, (c) => line(4, (e) => `let at${c}_${e} = ${k.at(`(c0 + ${16 * c + e}u + 4u * sgid)`)};`))}
      ${sums((i, m, c) => line(4, (e) => `var s${i}_${m}_${c}_${e} = 0.0;`))}
      for (var d = 0u; d < ${D / 4}u; d++) {
        ${each(C, (c) => line(4, (e) => `let x${c}_${e} = ${k.name}_four(at${c}_${e}, d);`))}
        ${each(
          I,
          (i) =>
            `{ ${swapped(`${q.name}_four(row${i}, d)`)} ${line(4, (m) => line(C, (c) => line(4, (e) => `s${i}_${m}_${c}_${e} += ${sum((z) => `a${m}.${part(z)} * x${c}_${e}.${part(z)}`)};`)))} }`,
        )}
      }
      ${sums((i, m, c) =>
        tile.set(
          `((r0 + ${4 * i}u + ${lane(m)}) * ${cut.keys}u + c0 + ${16 * c}u) / 4u + sgid`,
          fourText((e) => `s${i}_${m}_${c}_${e}`),
        ),
      )}
    }
  }`;
}

/**
 * to_r[u] = (begun ? to_r[u] · factor_r : 0) + Σ_n weight[r, n] x_n[u]: rows of the tile are the weights of queries, its
 * columns those of keys. The tile must be 0 behind the last of what is summed over, of which there must be rows to read.
 */
export function tileSumsText(
  tile: Tile,
  of: 'queries' | 'keys',
  to: Sums,
  x: Rows,
  width: number,
  cut: LanesCut,
): string {
  const byKeys = of === 'keys';
  const [owners, others] = byKeys ? ['count', 'have'] : ['have', 'count'];
  const I = rows / 4;
  const C = Math.min(columns / 16, Math.ceil(width / 16));
  const whole = width % (16 * C) === 0;
  // Sum [i, m, c, e]: the row m swaps away among the i-th four of queries, or row m of the i-th four of keys; channel
  // 4 · lane + e of the c-th sixteen.
  const place = (i: number, m: number): string => `r0 + ${4 * i}u + ${byKeys ? `${m}u` : lane(m)}`;
  const cells = (text: (i: number, m: number, c: number) => string): string[] =>
    upTo(I).flatMap((i) => upTo(4).flatMap((m) => upTo(C).map((c) => text(i, m, c))));
  const begin = (i: number, m: number, c: number): string => {
    const had = `${to.name}_four(to${i}_${m}, u${c})${to.factor ? ` * f${i}_${m}` : ''}`;
    const from = `y${i}_${m}_${c}`;
    return `let ${from} = ${to.begun ? `select(vec4<f32>(), ${had}, ${to.begun})` : had}; ${line(4, (e) => `var ${from}_${e} = ${from}.${part(e)};`)}`;
  };
  const add = (i: number, m: number, c: number, e: number): string =>
    `y${i}_${m}_${c}_${e} += ${sum((z) => (byKeys ? `a${z}.${part(m)}` : `a${m}.${part(z)}`) + ` * x${z}_${c}.${part(e)}`)};`;
  const weights = byKeys
    ? (i: number) => tile.get(`((t + sgid) * ${cut.keys}u + r0) / 4u + ${i}u`)
    : (i: number) => tile.get(`w${i} + t / 4u`);
  // Rows and channels behind the last stand for the last, keys among them with a wrong sum: the last is put after them.
  const puts = cells(
    (i, m, c) => `put_${to.name}(to${i}_${m}, u${c}, ${fourText((e) => `y${i}_${m}_${c}_${e}`)});`,
  ).reverse();
  return `
  for (var r0 = 0u; r0 < ${owners}; r0 += ${rows}u) {
    ${each(I, (i) =>
      line(
        4,
        (m) =>
          `let n${i}_${m} = min(${place(i, m)}, ${owners} - 1u); let to${i}_${m} = ${to.at(`n${i}_${m}`)}; ${to.factor ? `let f${i}_${m} = ${to.factor(`n${i}_${m}`)};` : ''}`,
      ),
    )}
    ${byKeys ? '' : each(I, (i) => `let w${i} = n${i}_0 * ${cut.keys / 4}u;`)}
    for (var u = 0u; u < ${width / 4}u; u += ${4 * C}u) {
      ${each(C, (c) => `let u${c} = ${whole ? `u + ${4 * c}u + sgid` : `min(u + ${4 * c}u + sgid, ${width / 4 - 1}u)`};`)}
      ${cells(begin).join('\n')}
      for (var t = 0u; t < ${others}; t += 4u) {
        ${each(4, (z) => `let x${z} = ${x.at(byKeys ? `(t + ${lane(z)})` : `(t + ${z}u)`)}; ${line(C, (c) => `let x${z}_${c} = ${x.name}_four(x${z}, u${c});`)}`)}
        ${each(I, (i) => `{ ${swapped(weights(i))} ${line(4, (m) => line(C, (c) => line(4, (e) => add(i, m, c, e))))} }`)}
      }
      ${puts.join('\n')}
    }
  }`;
}
