// What a chunk leaves behind, as a product of matrices: see gpu-tiles.ts.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import {
  each,
  elementAt,
  factorsText,
  loadRight,
  multiply,
  placeOfTile,
  reaching,
  tileMemory,
  tileParams,
} from './gpu-tiles.js';
import type { TileKey } from './gpu-tiles.js';

/** What is left behind: products of x and y, `strict` ones without the factor of their position; y may be `solved`. */
export interface Leaving {
  readonly terms: readonly { readonly x: string; readonly y: string; readonly strict: boolean }[];
  readonly reversed: boolean;
}

/**
 * What a chunk alone leaves behind, [D, J], from 0: Σ_t m_t x_t y_tᵀ with m_t the product of the factors behind t, against
 * time up to and with t; and its transition: the product of all its factors, or where something is erased a matrix
 * [D, D], whose columns `solved` has behind those of the values.
 */
export const tileLeaveShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, decay, erase, terms, reversed } = JSON.parse(text) as TileKey & Leaving;
  const fading = decay !== 'none';
  const erasing = erase !== 'none';
  const values = erasing ? 'p.J - p.D' : 'p.J';
  const between = (blocks: string, d: string): string => `between(origin, end, h, ${blocks}, ${d})`;
  const scale = (strict: boolean): string =>
    !fading
      ? ''
      : reversed
        ? ` * ${reaching(strict, 't', 'd')} * ${between('0u, block', 'd')}`
        : ` * up(t, h, d) * ${between('block + 1u, blocks', 'd')}`;
  const names = [...terms.flatMap(({ x, y }) => [x, y]), ...(fading ? ['factors'] : [])];
  const made = [...(reversed ? ['w'] : ['states', 'state']), ...(fading || erasing ? ['turn'] : [])];
  const whole = (d: string): string => (fading ? between('0u, blocks', d) : '1.0');
  const store = reversed
    ? 'set_w(base + entry, number);'
    : 'if (c + 1u < p.N) { set_states(base + entry, number); } else { set_state(last + entry, number); }';
  const move = `let i = j - V;
      var entry = number;
      if (i == d) { entry += ${whole('d')}; }
      set_turn((head * p.D + i) * p.D + d, entry);`;
  return shader({
    name: `matrixScan/tiles ${reversed ? 'back' : 'local'}`,
    operands: [
      ...[...new Set(names)].map((name) => reads(name, 'f32', at[name])),
      ...made.map((name) => writes(name, 'f32', at[name])),
    ],
    params: tileParams,
    workgroup: 64,
    declare: `${tileMemory}${fading ? factorsText(decay, 'D') : ''}`,
    main: `${placeOfTile('p.D')}
let V = ${values};
let head = (n * p.N + c) * p.H + h;
for (var block = 0u; block < blocks; block++) {
  let t0 = origin + block * 32u;
  ${terms
    .map(({ x, y, strict }) => {
      const columns = y === 'solved' ? 'p.J' : 'V';
      return `for (var e = lix; e < 256u; e += 64u) {
    var four = vec4<f32>();
    let t = t0 + e / 8u;
    for (var lane = 0u; lane < 4u; lane++) {
      let d = row0 + e % 8u * 4u + lane;
      if (t < end && d < p.D) { four[lane] = ${elementAt(x, 't', 'd', 'p.D')}${scale(strict)}; }
    }
    left[e] = four;
  }
  ${loadRight(elementAt(y, '(t0 + i)', 'j', columns), 'end - t0', columns)}
  ${multiply}`;
    })
    .join('\n')}
}
${
  fading && !erasing
    ? `if (j0 == 0u && lix < 32u && row0 + lix < p.D) { set_turn(head * p.D + row0 + lix, ${whole('row0 + lix')}); }`
    : ''
}
let base = ((n * ${reversed ? '(p.N + 1u) + c' : 'p.N + c + 1u'}) * p.H + h) * p.D * V;
let last = (n * p.H + h) * p.D * V;
${each(
  (row, j, of) => `let d = row0 + ${row};
    let number = ${of};
    if (d < p.D) {
      if (${j} < V) { let entry = d * V + ${j}; ${store} }
      ${erasing ? `else { ${move} }` : ''}
    }`,
)}`,
  });
});
