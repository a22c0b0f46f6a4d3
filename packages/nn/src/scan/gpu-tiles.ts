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
export interface TileKey extends Pick<ScanAttrs, 'decay' | 'erase'> {
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

/**
 * Chunk and block of a workgroup, whose rows are of the chunk or of x; `1` where it goes through all of the chunk.
 * Positions are rows of [B, T]: `origin` is the first of the chunk, `end` behind the last.
 */
export const placeOfTile = (rows: 'p.L' | 'p.D' | '1u'): string => `
let columns = (p.J + 63u) / 64u;
let rows = (${rows} + 31u) / 32u;
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

/** Element `d` of an operand of so many at position `t`; q and k belong to groups of heads. */
export const elementAt = (name: string, t: string, d: string, width: string): string =>
  name === 'q' || name === 'k'
    ? `${name}((${t} * p.G + h * p.G / p.H) * ${width} + ${d})`
    : `${name}((${t} * p.H + h) * ${width} + ${d})`;

/**
 * Factors of a head, or of key channel `d` where keys are as long as `width` says: `keep` is e^g, `down` the product from the
 * first position of a block, `before` that without the position's own, `up` that of all behind it in the block, `between`
 * that of blocks `from` … `to` − 1 of a chunk.
 */
export const factorsText = (decay: ScanAttrs['decay'], width: 'D' | 'J'): string => `
fn factor(part: u32, t: u32, h: u32, d: u32) -> f32 {
  let row = (part * p.B * p.T + t) * p.H + h;
  return factors(${decay === 'head' ? 'row' : `row * p.${width} + d`});
}
fn keep(t: u32, h: u32, d: u32) -> f32 { return factor(0u, t, h, d); }
fn down(t: u32, h: u32, d: u32) -> f32 { return factor(1u, t, h, d); }
fn up(t: u32, h: u32, d: u32) -> f32 { return factor(2u, t, h, d); }
fn before(origin: u32, t: u32, h: u32, d: u32) -> f32 {
  if ((t - origin) % 32u == 0u) { return 1.0; }
  return down(t - 1u, h, d);
}
fn between(origin: u32, end: u32, h: u32, from_block: u32, to_block: u32, d: u32) -> f32 {
  var product = 1.0;
  for (var b = from_block; b < to_block; b++) {
    product *= down(min(end, origin + b * 32u + 32u) - 1u, h, d);
  }
  return product;
}`;

/** The factors within the block from its first position: to that at `t`, or only up to it. */
export const reaching = (strict: boolean, t: string, d: string): string =>
  strict ? `before(origin, ${t}, h, ${d})` : `down(${t}, h, ${d})`;

/** right ← 32 rows of 64 columns, of which there are `rows` and `columns`. */
export const loadRight = (value: string, rows: string, columns = 'p.J'): string => `
for (var e = lix; e < 512u; e += 64u) {
  var four = vec4<f32>();
  let i = e / 16u;
  for (var lane = 0u; lane < 4u; lane++) {
    let j = j0 + e % 16u * 4u + lane;
    if (i < ${rows} && j < ${columns}) { four[lane] = ${value}; }
  }
  right[e] = four;
}`;

/** 32 positions from `from`, 32 elements from `d0` of each, into `to`: four positions side by side. */
export const loadRows = (to: string, value: string, from: string, otherwise = '0.0'): string => `
for (var e = lix; e < 256u; e += 64u) {
  var four = vec4<f32>(${otherwise});
  let d = d0 + e % 32u;
  for (var lane = 0u; lane < 4u; lane++) {
    let t = ${from} + e / 32u * 4u + lane;
    if (t < end && d < p.D) { four[lane] = ${value}; }
  }
  ${to} = four;
}`;

/** Text about each number of the block that an invocation has, where its column is there: its row and column. */
export const each = (text: (row: string, j: string, number: string) => string): string =>
  fours((r) =>
    [0, 1]
      .map(
        (half) => `for (var lane = 0u; lane < 4u; lane++) {
  let j = j0 + ${32 * half}u + tx * 4u + lane;
  if (j < p.J) { ${text(`(4u * ty + ${r}u)`, 'j', `acc[${4 * half + r}][lane]`)} }
}`,
      )
      .join('\n'),
  );

/**
 * Factors e^g, and their products within blocks of 32 positions: from the first of a block up to each, and of all behind
 * each; [3, B, T, H, D], D = 1 for a head. One invocation per block and factor.
 */
export const factorsShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { at } = JSON.parse(text) as TileKey;
  return shader({
    name: 'matrixScan/factors',
    operands: [reads('g', 'f32', at['g']), writes('factors', 'f32', at['factors'])],
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
let all = p.B * p.T * p.H * p.D;
var product = 1.0;
for (var t = start; t < stop; t++) {
  let at = (t * p.H + h) * p.D + d;
  let factor = fade(g(at));
  product *= factor;
  set_factors(at, factor);
  set_factors(all + at, product);
}
product = 1.0;
for (var t = stop; t > start;) {
  t--;
  let at = (t * p.H + h) * p.D + d;
  set_factors(2u * all + at, product);
  product *= factors(at);
}`,
  });
});
