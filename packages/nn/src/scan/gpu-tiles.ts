// Chunks as products of matrices, for GPUs: a workgroup of 64 invocations computes a block of 32 × 64 numbers, of which
// each invocation keeps 4 × 8 in registers; what is multiplied passes through 12 KiB of workgroup memory in slices of 32.
// Decays are products of factors e^g from one position to another, made of those within blocks of 32 positions: never a
// quotient, never an exponent of a sum, so that forgetting all and forgetting nothing keep their digits.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import { fadeText, group } from './gpu-text.js';
import type { At } from './gpu-text.js';
import type { ScanAttrs } from './shapes.js';

/** Rows and columns of the block of a workgroup; rows are also the positions of a block of a chunk. */
export const tile = { rows: 32, columns: 64 } as const;

/** What the shaders depend on, beside what each of them computes. */
export interface TileKey extends Pick<ScanAttrs, 'decay'> {
  readonly at: At;
}

/** Parameters of all shaders: D is the length of a row of x, J that of what is computed. */
export const tileParams: { readonly [name: string]: 'u32' } = {
  B: 'u32',
  T: 'u32',
  G: 'u32',
  H: 'u32',
  N: 'u32',
  L: 'u32',
  D: 'u32',
  J: 'u32',
};

export const tileMemory: string = `
var<workgroup> left: array<vec4<f32>, 256>; // [32, 8]: a row has 32 numbers for the rows of the block
var<workgroup> right: array<vec4<f32>, 512>; // [32, 16]: a row has 64 numbers for its columns`;

/** Text for each of four numbers, so that no register is addressed by a variable. */
export const fours = (text: (i: number) => string): string => [0, 1, 2, 3].map(text).join('\n');

/** acc += leftᵀ right: four rows of the first 32 columns, then of the others. */
export const multiply: string = `
workgroupBarrier();
for (var i = 0u; i < 32u; i++) {
  let l = left[i * 8u + ty];
  let r0 = right[i * 16u + tx];
  let r1 = right[i * 16u + 8u + tx];
  ${fours((r) => `acc[${r}] += l[${r}] * r0; acc[${4 + r}] += l[${r}] * r1;`)}
}
workgroupBarrier();`;

/** Chunk and block of a workgroup. Positions are rows of [B, T]: `origin` is the first of the chunk, `end` behind the last. */
export const placeOfTile = (rows: 'L' | 'D'): string => `
let columns = (p.J + 63u) / 64u;
let rows = (p.${rows} + 31u) / 32u;
let j0 = group % columns * 64u;
let row0 = group / columns % rows * 32u;
let h = group / (columns * rows) % p.H;
let c = group / (columns * rows * p.H) % p.N;
let n = group / (columns * rows * p.H * p.N);
if (n >= p.B) { return; }
let origin = n * p.T + c * p.L;
let end = n * p.T + min(p.T, c * p.L + p.L);
let blocks = (end - origin + 31u) / 32u;
let ty = lix / 8u;
let tx = lix % 8u;
var acc: array<vec4<f32>, 8>;`;

/** Element `d` of an operand at position `t`; q and k belong to groups of heads. */
export const elementAt = (name: string, t: string, d: string, width: 'D' | 'J'): string =>
  name === 'q' || name === 'k'
    ? `${name}((${t} * p.G + h * p.G / p.H) * p.${width} + ${d})`
    : `${name}((${t} * p.H + h) * p.${width} + ${d})`;

/** A factor at position `t`: of a head, or of key channel `d` where keys are as long as `width` says. */
export const factorAt = (
  decay: ScanAttrs['decay'],
  name: string,
  t: string,
  d: string,
  width: 'D' | 'J',
): string => (decay === 'head' ? `${name}(${t} * p.H + h)` : `${name}((${t} * p.H + h) * p.${width} + ${d})`);

/** `between(…)`: the product of all factors of blocks `from` … `to` − 1 of a chunk. */
export const betweenText = (decay: ScanAttrs['decay'], width: 'D' | 'J'): string => `
fn between(origin: u32, end: u32, h: u32, from_block: u32, to_block: u32, d: u32) -> f32 {
  var product = 1.0;
  for (var b = from_block; b < to_block; b++) {
    let t = min(end, origin + b * 32u + 32u) - 1u;
    product *= ${factorAt(decay, 'down', 't', 'd', width)};
  }
  return product;
}`;

/** right ← 32 rows of 64 columns, of which there are `rows`. */
export const loadRight = (value: string, rows: string): string => `
for (var e = lix; e < 512u; e += 64u) {
  var four = vec4<f32>();
  let i = e / 16u;
  for (var b = 0u; b < 4u; b++) {
    let j = j0 + e % 16u * 4u + b;
    if (i < ${rows} && j < p.J) { four[b] = ${value}; }
  }
  right[e] = four;
}`;

/** Text that writes the number of a row and a column of the block, where the column is there. */
export const store = (text: (row: string, j: string, value: string) => string): string =>
  fours((r) =>
    [0, 1]
      .map(
        (half) => `{
  let four = acc[${4 * half + r}];
  for (var b = 0u; b < 4u; b++) {
    let j = j0 + ${32 * half}u + tx * 4u + b;
    if (j < p.J) { ${text(`4u * ty + ${r}u`, 'j', 'four[b]')} }
  }
}`,
      )
      .join('\n'),
  );

/**
 * Factors e^g, and their products within blocks of 32 positions: from the first of a block up to each, and of all behind
 * each. One invocation per block and factor; D factors for a head.
 */
export const factorsShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at } = JSON.parse(text) as TileKey;
  return shader({
    name: 'matrixScan/factors',
    operands: [
      reads('g', 'f32', at['g']),
      ...['keep', 'down', 'up'].map((name) => writes(name, 'f32', at[name])),
    ],
    params: tileParams,
    workgroup: group,
    declare: fadeText,
    main: `
let blocks = (p.L + 31u) / 32u;
let d = linear % p.D;
let h = linear / p.D % p.H;
let b = linear / (p.D * p.H) % blocks;
let c = linear / (p.D * p.H * blocks) % p.N;
let n = linear / (p.D * p.H * blocks * p.N);
if (n >= p.B) { return; }
let start = n * p.T + c * p.L + b * 32u;
let stop = n * p.T + min(min(p.T, c * p.L + p.L), c * p.L + b * 32u + 32u);
var product = 1.0;
for (var t = start; t < stop; t++) {
  let at = (t * p.H + h) * p.D + d;
  let factor = fade(g(at));
  product *= factor;
  set_keep(at, factor);
  set_down(at, product);
}
product = 1.0;
for (var t = stop; t > start;) {
  t--;
  let at = (t * p.H + h) * p.D + d;
  set_up(at, product);
  product *= keep(at);
}`,
  });
});

/**
 * What a chunk alone leaves behind, [D, J], from 0: Σ_t m_t x_t y_tᵀ with m_t the product of the factors behind t, against
 * time up to and with t; and the product of all its factors.
 */
export const tileLeaveShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at, decay, x, y, reversed } = JSON.parse(text) as TileKey & {
    x: string;
    y: string;
    reversed: boolean;
  };
  const fading = decay !== 'none';
  const factors = !fading ? [] : reversed ? ['down'] : ['down', 'up'];
  const blocks = reversed ? '0u, block' : 'block + 1u, blocks';
  const factor = `${factorAt(decay, reversed ? 'down' : 'up', 't', 'd', 'D')} * between(origin, end, h, ${blocks}, d)`;
  const made = reversed ? ['w'] : ['states', 'state'];
  return shader({
    name: `matrixScan/tiles ${reversed ? 'back' : 'local'}`,
    operands: [
      ...[x, y, ...factors].map((name) => reads(name, 'f32', at[name])),
      ...[...made, ...(fading ? ['turn'] : [])].map((name) => writes(name, 'f32', at[name])),
    ],
    params: tileParams,
    workgroup: 64,
    declare: `${tileMemory}${fading ? betweenText(decay, 'D') : ''}`,
    main: `${placeOfTile('D')}
for (var block = 0u; block < blocks; block++) {
  let t0 = origin + block * 32u;
  for (var e = lix; e < 256u; e += 64u) {
    var four = vec4<f32>();
    let t = t0 + e / 8u;
    for (var b = 0u; b < 4u; b++) {
      let d = row0 + e % 8u * 4u + b;
      if (t < end && d < p.D) { four[b] = ${elementAt(x, 't', 'd', 'D')}${fading ? ` * ${factor}` : ''}; }
    }
    left[e] = four;
  }
  ${loadRight(elementAt(y, '(t0 + i)', 'j', 'J'), 'end - t0')}
  ${multiply}
}
${
  fading
    ? `if (j0 == 0u && lix < 32u && row0 + lix < p.D) {
  set_turn(((n * p.N + c) * p.H + h) * p.D + row0 + lix, between(origin, end, h, 0u, blocks, row0 + lix));
}`
    : ''
}
let base = ((n * ${reversed ? '(p.N + 1u) + c' : 'p.N + c + 1u'}) * p.H + h) * p.D * p.J;
let last = (n * p.H + h) * p.D * p.J;
${store((row, j, value) => {
  const entry = `(row0 + ${row}) * p.J + ${j}`;
  const write = reversed
    ? `set_w(base + ${entry}, ${value});`
    : `if (c + 1u < p.N) { set_states(base + ${entry}, ${value}); } else { set_state(last + ${entry}, ${value}); }`;
  return `if (row0 + ${row} < p.D) { ${write} }`;
})}`,
  });
});
