// Shader text without workgroup memory: an invocation owns a few rows and meets others by the handful. Products run in
// loops over fours of a head, sums wait in the results, so that a text is short whatever the width of heads.
import { each, upTo } from './text.js';

/** s_{r,c} += Σ a_r · b_c over `fours` fours; places a0 … and b0 … in operands of these names. */
export function productsText(
  sum: string,
  rows: { readonly name: string; readonly at: string; readonly count: number },
  others: { readonly name: string; readonly at: string; readonly count: number },
  fours: number,
): string {
  const all = (text: (r: number, c: number) => string): string =>
    each(rows.count, (r) =>
      upTo(others.count)
        .map((c) => text(r, c))
        .join(' '),
    );
  return `
  ${all((r, c) => `var ${sum}${r}_${c} = 0.0;`)}
  for (var d = 0u; d < ${fours}u; d++) {
    ${each(rows.count, (r) => `let a${r} = ${rows.name}_four(${rows.at}${r}, d);`)}
    ${each(
      others.count,
      (c) =>
        `{ let x = ${others.name}_four(${others.at}${c}, d); ${upTo(rows.count)
          .map((r) => `${sum}${r}_${c} += dot(a${r}, x);`)
          .join(' ')} }`,
    )}
  }`;
}

/** to_r = to_r · factor_r + Σ_c weight_{r,c} b_c, four by four; rows that are not `live` stay. */
export function sumsText(
  to: { readonly name: string; readonly at: string; readonly count: number; readonly factor?: string },
  others: { readonly name: string; readonly at: string; readonly count: number; readonly weight: string },
  fours: number,
): string {
  const kept = to.factor === undefined ? '' : ' * FACTOR';
  return `
  for (var d = 0u; d < ${fours}u; d++) {
    ${each(others.count, (c) => `let x${c} = ${others.name}_four(${others.at}${c}, d);`)}
    ${each(
      to.count,
      (r) =>
        `if (live${r}) { put_${to.name}(${to.at}${r}, d, ${to.name}_four(${to.at}${r}, d)${kept.replace('FACTOR', `${to.factor}${r}`)} + (${upTo(
          others.count,
        )
          .map((c) => `${others.weight}${r}_${c} * x${c}`)
          .join(' + ')})); }`,
    )}
  }`;
}

/** to_r = to_r · by_r, or 0; rows that are not `live` stay. */
export function scaledText(name: string, at: string, count: number, by: string, fours: number): string {
  return `for (var d = 0u; d < ${fours}u; d++) { ${upTo(count)
    .map(
      (r) =>
        `if (live${r}) { put_${name}(${at}${r}, d, ${by === '0.0' ? 'vec4<f32>()' : `${name}_four(${at}${r}, d) * ${by}${r}`}); }`,
    )
    .join(' ')} }`;
}
