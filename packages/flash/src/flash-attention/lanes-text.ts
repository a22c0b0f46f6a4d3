// Shader text for programs on the CPU that have subgroups, where a subgroup is a vector register: one has some rows,
// which its lanes share, and meets others by the tile. Products go to a tile in workgroup memory with a column of others
// for each lane; sums come from it with a column of channels for each lane. A workgroup is one subgroup, so a barrier
// costs next to nothing.
import { each, upTo } from './text.js';

/** How the work is cut. */
export interface LanesCut {
  /** Lanes of a subgroup; four of them read neighbours. */
  readonly lanes: number;
  /** Rows of a subgroup. */
  readonly rows: number;
  /** Others of a tile; a multiple of `width`. */
  readonly others: number;
}

/** Whose rows a workgroup owns: `rows` of batch row b and key head g from `own` on, of N where they are queries. */
export const openText = (rows: number): string => `
  if (group >= p.B * p.G * p.blocks) { return; }
  let block = group % p.blocks;
  let b = group / p.blocks / p.G;
  let g = group / p.blocks % p.G;
  let N = p.T * p.R;
  let own = block * ${rows}u;
  let quad = sgid & 3u;
  var begun = false;`;

/** Where row n of the queries of a group begins in an operand. */
export const queryAt = (name: string, n: string): string =>
  `b * p.${name}_b + ${n} / p.R * p.${name}_t + (g * p.R + ${n} % p.R) * p.${name}_h`;

/** And in a result, whose rows are `width` wide. */
export const resultAt = (n: string, width: number): string =>
  `((b * p.T + ${n} / p.R) * p.H + g * p.R + ${n} % p.R) * ${width}u`;

/** Columns computed at once: registers of all lanes. */
export const width = 32;

/** A row of an operand: `at` is the text of where row n begins. */
interface Rows {
  readonly name: string;
  readonly at: (n: string | number) => string;
}

/** Results: `before(r)` is the text of the factor of what is there, if a tile was met before. */
interface Sums extends Rows {
  readonly before?: (r: number) => string;
}

const columnsOf = (n: number, { lanes }: LanesCut): number => Math.ceil(Math.min(n, width) / lanes);
const column = (c: number, { lanes }: LanesCut): string => `${c * lanes}u + sgid`;

/** Four neighbours read by four lanes, each then known to all: a0 … a3. */
const spread = (from: string): string =>
  `let a = ${from}; ${upTo(4)
    .map((n) => `let a${n} = subgroupBroadcast(a, ${n}u);`)
    .join(' ')}`;

/** tile[r, c] = Σ_d a_r[d] b_c[d] for the first `count` others, and up to `width` − 1 behind them. */
export function tileProductsText(tile: string, a: Rows, b: Rows, D: number, cut: LanesCut): string {
  const columns = columnsOf(width, cut);
  const perColumn = (text: (c: number) => string): string => upTo(columns).map(text).join(' ');
  return `
  for (var c0 = 0u; c0 < count; c0 += ${width}u) {
    ${perColumn((c) => `let b${c} = ${b.at(`c0 + ${column(c, cut)}`)};`)}
    ${each(cut.rows, (r) => perColumn((c) => `var s${r}_${c} = 0.0;`))}
    for (var d = 0u; d < ${D}u; d += 4u) {
      ${perColumn((c) => `let x${c} = ${b.name}_four(b${c}, d >> 2u);`)}
      ${each(
        cut.rows,
        (r) =>
          `{ ${spread(`${a.name}(${a.at(r)} + d + quad)`)} ${perColumn((c) => `s${r}_${c} += a0 * x${c}.x + a1 * x${c}.y + a2 * x${c}.z + a3 * x${c}.w;`)} }`,
      )}
    }
    ${each(cut.rows, (r) => perColumn((c) => `${tile}[${r * cut.others}u + c0 + ${column(c, cut)}] = s${r}_${c};`))}
  }`;
}

/**
 * to_r[u] = (begun ? to_r[u] · before_r : 0) + Σ_c tile[r, c] x_c[u] over the first `count` others. Rows may be the same:
 * all are read before one is written.
 */
export function tileSumsText(tile: string, to: Sums, x: Rows, V: number, cut: LanesCut): string {
  const columns = columnsOf(V, cut);
  const perColumn = (text: (c: number) => string): string => upTo(columns).map(text).join(' ');
  const across = columns * cut.lanes;
  const last =
    V % across === 0
      ? (c: number) => `u + ${column(c, cut)}`
      : (c: number) => `min(u + ${column(c, cut)}, ${V - 1}u)`;
  return `
  for (var u = 0u; u < ${V}u; u += ${across}u) {
    ${perColumn((c) => `let u${c} = ${last(c)};`)}
    ${each(cut.rows, (r) => `${to.before ? `let f${r} = ${to.before(r)};` : ''} ${perColumn((c) => `var y${r}_${c} = select(0.0, ${to.name}(${to.at(r)} + u${c})${to.before ? ` * f${r}` : ''}, begun);`)}`)}
    for (var t = 0u; t < count; t += 4u) {
      ${each(4, (n) => `let t${n} = ${x.at(`t + ${n}u`)}; ${perColumn((c) => `let x${c}_${n} = ${x.name}(t${n} + u${c});`)}`)}
      ${each(
        cut.rows,
        (r) =>
          `{ ${spread(`${tile}[${r * cut.others}u + t + quad]`)} ${perColumn((c) => `y${r}_${c} += a0 * x${c}_0 + a1 * x${c}_1 + a2 * x${c}_2 + a3 * x${c}_3;`)} }`,
      )}
    }
    ${each(columns, (c) => {
      const all = each(cut.rows, (r) => `set_${to.name}(${to.at(r)} + u${c}, y${r}_${c});`);
      return V % across === 0 ? all : `if (u + ${column(c, cut)} < ${V}u) { ${all} }`;
    })}
  }`;
}
