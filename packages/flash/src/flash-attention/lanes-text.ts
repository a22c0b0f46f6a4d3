// Shader text for programs on the CPU that have subgroups, where a subgroup is a vector register: some queries meet some
// keys in a tile. Products go to it with a column of keys for each lane, and sums come from it with a column of channels
// for each lane; rows are shared by the lanes. A workgroup is one subgroup, so a barrier costs next to nothing.
import { each, upTo } from './text.js';

/** How the work is cut. */
export interface LanesCut {
  /** Lanes of a subgroup; four of them read neighbours. */
  readonly lanes: number;
  /** Queries of a tile, a multiple of `rows`. */
  readonly queries: number;
  /** Keys of a tile, a multiple of `rows` and of `columns`. */
  readonly keys: number;
}

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

/** Texts that read and write an element of a tile. */
export interface Tile {
  readonly get: (n: string) => string;
  readonly set: (n: string, value: string) => string;
}

/** The rows of an operand: `at` is the text of where row n begins. */
interface Rows {
  readonly name: string;
  readonly at: (n: string) => string;
}

/** The rows of a result: `begun` says whether they hold a sum already, `factor` by what it is multiplied first. */
interface Sums extends Rows {
  readonly begun?: string;
  readonly factor?: (n: string) => string;
}

const perColumn = (width: number, { lanes }: LanesCut, text: (c: number) => string): string =>
  upTo(Math.ceil(Math.min(width, columns) / lanes))
    .map(text)
    .join(' ');
const column = (c: number, { lanes }: LanesCut): string => `${c * lanes}u + sgid`;

/** An element of each of four lanes, known to all: a0 … a3. */
const spread = (element: (n: number) => string): string =>
  upTo(4)
    .map((n) => `let a${n} = subgroupBroadcast(${element(n)});`)
    .join(' ');

/**
 * tile[r, c] = Σ_d q_r[d] k_c[d] for the first `have` queries and `count` keys, and for some behind them, of which
 * there must be rows to read.
 */
export function tileProductsText(tile: Tile, q: Rows, k: Rows, D: number, cut: LanesCut): string {
  const per = (text: (c: number) => string): string => perColumn(columns, cut, text);
  return `
  for (var r0 = 0u; r0 < have; r0 += ${rows}u) {
    ${each(rows, (r) => `let row${r} = ${q.at(`(r0 + ${r}u)`)} + quad;`)}
    for (var c0 = 0u; c0 < count; c0 += ${columns}u) {
      ${per((c) => `let at${c} = ${k.at(`(c0 + ${column(c, cut)})`)};`)}
      ${each(rows, (r) => per((c) => `var s${r}_${c} = 0.0;`))}
      for (var d = 0u; d < ${D}u; d += 4u) {
        ${per((c) => `let x${c} = ${k.name}_four(at${c}, d >> 2u);`)}
        ${each(
          rows,
          (r) =>
            `{ let a = ${q.name}(row${r} + d); ${spread((n) => `a, ${n}u`)} ${per((c) => `s${r}_${c} += a0 * x${c}.x + a1 * x${c}.y + a2 * x${c}.z + a3 * x${c}.w;`)} }`,
        )}
      }
      ${each(rows, (r) => per((c) => tile.set(`(r0 + ${r}u) * ${cut.keys}u + c0 + ${column(c, cut)}`, `s${r}_${c}`)))}
    }
  }`;
}

/**
 * to_r[u] = (begun ? to_r[u] · factor_r : 0) + Σ_n weight[r, n] x_n[u]: rows of the tile are the weights of queries, its
 * columns those of keys. Rows behind the last are the last; the tile must be 0 behind the last of what is summed over,
 * of which there must be rows to read.
 */
export function tileSumsText(
  tile: Tile,
  of: 'queries' | 'keys',
  to: Sums,
  x: Rows,
  width: number,
  cut: LanesCut,
): string {
  const per = (text: (c: number) => string): string => perColumn(width, cut, text);
  const byKeys = of === 'keys';
  const [owners, others] = byKeys ? ['count', 'have'] : ['have', 'count'];
  const across = Math.min(columns, Math.ceil(width / cut.lanes) * cut.lanes);
  const whole = width % across === 0;
  const own = (n: string): string => `min(r0 + ${n}, ${owners} - 1u)`;
  const there = (r: number, c: number): string => {
    const sum = `${to.name}(to${r} + u${c})${to.factor ? ` * f${r}` : ''}`;
    return to.begun ? `select(0.0, ${sum}, ${to.begun})` : sum;
  };
  // Four lanes read neighbours: others of a query, or keys of one of the others.
  const weights = (r: number): string =>
    byKeys
      ? spread((n) => `w${r >> 2}_${n}, ${r & 3}u`)
      : `let a = ${tile.get(`w${r} + t`)}; ${spread((n) => `a, ${n}u`)}`;
  return `
  for (var r0 = 0u; r0 < ${owners}; r0 += ${rows}u) {
    ${each(rows, (r) => `let n${r} = ${own(`${r}u`)}; let to${r} = ${to.at(`n${r}`)}; ${to.factor ? `let f${r} = ${to.factor(`n${r}`)};` : ''}`)}
    ${
      byKeys
        ? each(rows / 4, (r) => `let w${r} = ${own(`${4 * r}u + quad`)};`)
        : each(rows, (r) => `let w${r} = n${r} * ${cut.keys}u + quad;`)
    }
    for (var u = 0u; u < ${width}u; u += ${across}u) {
      ${per((c) => `let u${c} = ${whole ? `u + ${column(c, cut)}` : `min(u + ${column(c, cut)}, ${width - 1}u)`};`)}
      ${each(rows, (r) => per((c) => `var y${r}_${c} = ${there(r, c)};`))}
      for (var t = 0u; t < ${others}; t += 4u) {
        ${each(4, (n) => `let x${n} = ${x.at(`(t + ${n}u)`)}; ${per((c) => `let x${c}_${n} = ${x.name}(x${n} + u${c});`)}`)}
        ${byKeys ? each(4, (n) => each(rows / 4, (r) => `let w${r}_${n} = ${tile.get(`(t + ${n}u) * ${cut.keys}u + w${r}`)};`)) : ''}
        ${each(rows, (r) => `{ ${weights(r)} ${per((c) => `y${r}_${c} += a0 * x${c}_0 + a1 * x${c}_1 + a2 * x${c}_2 + a3 * x${c}_3;`)} }`)}
      }
      ${per((c) => {
        const all = each(rows, (r) => `set_${to.name}(to${r} + u${c}, y${r}_${c});`);
        return whole ? all : `if (u + ${column(c, cut)} < ${width}u) { ${all} }`;
      })}
    }
  }`;
}
