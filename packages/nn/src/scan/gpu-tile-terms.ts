// Σ_s M_ts (x_t · y_s) z_s between two blocks of 32 positions, or within one: see gpu-tiles.ts.
import { blockWeight, channelDots, channelWalk } from './gpu-tile-decays.js';
import { elementAt, fours, loadRight, loadRows, multiply, reaching } from './gpu-tiles.js';
import type { TileKey } from './gpu-tiles.js';

/** What one sum over the positions of a chunk is made of. */
export interface Term {
  readonly y: string;
  readonly z: string;
  /** Only positions apart from t, without the factor of the later one: what is read before a position decays and writes. */
  readonly strict: boolean;
}

/** How the rows of a block read. */
export interface Rows {
  readonly decay: TileKey['decay'];
  readonly x: string;
  /** s from t on instead of up to t. */
  readonly reversed: boolean;
  /** Factors of channels stand with z instead of within x · y. */
  readonly turned: boolean;
  /** How many of the columns z has; default all. */
  readonly columns?: string;
}

/**
 * acc += what block `block` reads of block `other`, or `diagonal` of itself. Factors of channels with z lack those of the
 * rows. `finish` is what happens with M in `left` and z in `right`, by default their product.
 */
export function termText(
  { decay, x, reversed, turned, columns }: Rows,
  { y, z, strict }: Term,
  diagonal: boolean,
  finish?: string,
): string {
  const fading = decay !== 'none';
  const outer = decay === 'key' && turned;
  const inner = decay === 'key' && !turned;
  const way = { reversed, strict };
  const factorOfX = reversed ? 'up(t, h, d)' : reaching(strict, 't', 'd');
  const lead = (t: string, d: string): string => (reversed ? reaching(strict, t, d) : `up(${t}, h, ${d})`);
  const between = (d: string): string =>
    `between(origin, end, h, ${reversed ? 'block + 1u, other' : 'other + 1u, block'}, ${d})`;
  const scaled = fading && !outer && !diagonal;
  const rowsOfX = elementAt(x, 't', 'd', 'p.D') + (scaled ? ` * ${factorOfX}` : '');
  const rowsOfY = elementAt(y, 't', 'd', 'p.D') + (scaled ? ` * ${lead('t', 'd')} * ${between('d')}` : '');
  const columnsOfZ =
    elementAt(z, '(s0 + i)', 'j', columns ?? 'p.J') +
    (outer && !diagonal ? ` * ${lead('(s0 + i)', 'j')} * ${between('j')}` : '');
  const masked = diagonal && decay !== 'key';
  // Numbers of a loop are written out as 0: compilers were seen to leave what the iteration before had put there.
  return `{
  let s0 = origin + ${diagonal ? 'block' : 'other'} * 32u;
  var dots = array<vec4<f32>, 4>();
  for (var d0 = 0u; d0 < p.D; d0 += 32u) {
    ${loadRows('left[e % 32u * 8u + e / 32u]', rowsOfX, 't0')}
    ${loadRows('right[e % 32u * 8u + e / 32u]', rowsOfY, 's0')}
    ${diagonal && inner ? loadRows('right[256u + e % 32u * 8u + e / 32u]', 'keep(t, h, d)', 's0', '1.0') : ''}
    workgroupBarrier();
    ${
      diagonal && inner
        ? channelDots(way)
        : `for (var i = 0u; i < 32u; i++) {
      let l = left[i * 8u + ty];
      let r = right[i * 8u + tx];
      ${fours((b) => `dots[${b}] += l * r[${b}];`)}
    }`
    }
    workgroupBarrier();
  }
  ${fours(
    (b) => `{
    let s = 4u * tx + ${b}u;
    var weight = vec4<f32>(1.0);
    ${masked ? blockWeight(b, way, fading) : ''}
    left[s * 8u + ty] = dots[${b}] * weight;
  }`,
  )}
  ${finish ?? `${loadRight(columnsOfZ, 'end - s0', columns)}\n${diagonal && outer ? channelWalk(way) : multiply}`}
}`;
}

/** kept ← the factors of a head at the positions of the block, 1 behind the last; read behind the next barrier. */
export const loadKept: string = `
if (lix < 32u) {
  kept[lix] = 1.0;
  if (t0 + lix < end) { kept[lix] = keep(t0 + lix, h, 0u); }
}`;

/** Memory of `loadKept`. */
export const keptMemory: string = 'var<workgroup> kept: array<f32, 32>;';
