// Shaders of the scan. A state [K, V] is worked on by columns where sums go over keys (what is read, what is erased) and
// by rows where they go over values (gradients of queries and keys). One invocation has one column or row of one chunk
// in registers and walks through its positions: no workgroup memory, no barrier.
import type { GpuShader } from '@seq/tensor/engine';
import { memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';
import type { ScanAttrs } from './shapes.js';

/** Operand numbers by name. */
export type At = Readonly<Record<string, number>>;

/** What all shaders of a call depend on. */
export interface ScanKey extends Pick<ScanAttrs, 'decay' | 'erase'> {
  readonly at: At;
  /** Elements along K, and along V, that are read at once. */
  readonly lanesK: 1 | 4;
  readonly lanesV: 1 | 4;
  readonly K: number;
  readonly V: number;
}

/** Names of the parameters, in their order. `cols` are the columns or rows of a state that the pass works on. */
export const scanParams: { readonly [name: string]: 'u32' } = {
  B: 'u32',
  T: 'u32',
  G: 'u32',
  H: 'u32',
  N: 'u32',
  L: 'u32',
  cols: 'u32',
  extra: 'u32',
};

/** Invocations of a workgroup. */
export const group: number = 64;

export const vector = (lanes: 1 | 4): string => (lanes === 4 ? 'vec4<f32>' : 'f32');
export const element = (lanes: 1 | 4): 'f32x4' | 'f32' => (lanes === 4 ? 'f32x4' : 'f32');

/** n, h, c and e of an invocation: its row of the batch, head, chunk, and column or row of the state. */
export const place = `
let e = linear % p.cols;
let h = (linear / p.cols) % p.H;
let c = (linear / (p.cols * p.H)) % p.N;
let n = linear / (p.cols * p.H * p.N);
if (n >= p.B) { return; }
let first = c * p.L;
let end = min(p.T, first + p.L);`;

/** Rows of position t in [B, T, H] and [B, T, G]. */
export const rowsOfT = `
let row = (n * p.T + t) * p.H + h;
let group_row = (n * p.T + t) * p.G + h * p.G / p.H;`;

export const head = (lanes: 1 | 4): string => `
alias X = ${vector(lanes)};
fn total(x: X) -> f32 { return ${lanes === 4 ? 'x.x + x.y + x.z + x.w' : 'x'}; }
fn dots(x: X, y: X) -> f32 { return ${lanes === 4 ? 'dot(x, y)' : 'x * y'}; }`;

/** The factor e^g of row element `i` (a lane index): one number for a head. */
const kept = ({ decay }: ScanKey, i: string): string =>
  decay === 'none' ? '' : decay === 'head' ? 'fade * ' : `keep(row * KL + ${i}) * `;

const fade = ({ decay }: ScanKey): string => (decay === 'head' ? 'let fade = keep(row);' : '');

/** The factors as an operand: of a head as single numbers, of channels in lanes. */
function keepOperand({ decay, at }: ScanKey, lanes: 1 | 4): Operand[] {
  return decay === 'none' ? [] : [reads('keep', decay === 'head' ? 'f32' : element(lanes), at['keep'])];
}

/** Element d of a column, or of a row, of the state whose first element stands at `base`. */
const gather = (name: string, lanes: 1 | 4, stride: string): string =>
  lanes === 1
    ? `${name}(base + i * ${stride})`
    : `vec4<f32>(${[0, 1, 2, 3].map((j) => `${name}(base + (4u * i + ${j}u) * ${stride})`).join(', ')})`;

const scatter = (name: string, x: string, lanes: 1 | 4, stride: string): string =>
  lanes === 1
    ? `set_${name}(base + i * ${stride}, ${x});`
    : [0, 1, 2, 3].map((j) => `set_${name}(base + (4u * i + ${j}u) * ${stride}, ${x}[${j}]);`).join('\n');

/** A unit vector's part i: 1 at element `j` of all. */
const unit = (lanes: 1 | 4, j: string): string =>
  lanes === 1
    ? `select(0.0, 1.0, i == ${j})`
    : `select(X(), X(1.0), vec4<u32>(4u * i, 4u * i + 1u, 4u * i + 2u, 4u * i + 3u) == vec4<u32>(${j}))`;

/** `fade(g)` is e^g, 0 where g is below what f32 tells from 0. */
export const fadeText = `
fn fade(g: f32) -> f32 { return select(0.0, exp(max(g, -104.0)), g > -104.0); }`;

/** The factors e^g of a call. */
export const keepShader: (key: string) => GpuShader = /* @__PURE__ */ memo((at): GpuShader => {
  const [g, keep] = JSON.parse(at) as [number, number];
  return shader({
    name: 'matrixScan/decay',
    operands: [reads('g', 'f32', g), writes('keep', 'f32', keep)],
    params: { n: 'u32' },
    workgroup: group,
    declare: fadeText,
    main: `
if (linear >= p.n) { return; }
set_keep(linear, fade(g(linear)));`,
  });
});

/**
 * Columns forward through a chunk. `local`: from 0, into the place of the state behind the chunk; the columns behind V
 * begin with unit vectors (one vector of ones where nothing is erased), write nothing, and so are the chunk's transition.
 * `write`: from the chunk's state, what is written by erasing, and the last state. `read`: the readings.
 */
export const forwardShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { phase, ...k } = JSON.parse(text) as ScanKey & { phase: 'local' | 'write' | 'read' };
  const { at, erase, lanesK: lanes, K, V } = k;
  const local = phase === 'local';
  const erasing = erase !== 'none' && phase !== 'read';
  const reading = phase === 'read';
  const lane = element(lanes);
  // A value is v, or what erasing made of it.
  const value = reading && erase === 'own' ? 'u' : 'v';
  const last = reading === (erase === 'none') && !local;
  return shader({
    name: `matrixScan/${phase}`,
    operands: [
      ...(reading ? [reads('q', lane, at['q'])] : []),
      reads('k', lane, at['k']),
      reads(value, 'f32', at[value]),
      ...keepOperand(k, lanes),
      ...(erasing ? [reads('a', lane, at['a'])] : []),
      ...(erase === 'pair' ? [reads('b', lane, at['b'])] : []),
      ...(erase === 'pair' && reading ? [reads('u', 'f32', at['u'])] : []),
      ...(phase === 'write' ? [writes('u', 'f32', at['u'])] : []),
      ...(local
        ? [writes('states', 'f32', at['states']), writes('turn', 'f32', at['turn'])]
        : [reads('states', 'f32', at['states'])]),
      ...(reading ? [writes('o', 'f32', at['o'])] : []),
      ...(last ? [writes('state', 'f32', at['state'])] : []),
    ],
    params: scanParams,
    workgroup: group,
    declare: `${head(lanes)}
const KL = ${K / lanes}u; const K = ${K}u; const V = ${V}u;`,
    main: `${place}
${local ? 'if (c + 1u >= p.N) { return; } // the last chunk leads to no other' : ''}
var s: array<X, ${K / lanes}>;
${
  local
    ? `if (e >= V) { for (var i = 0u; i < KL; i++) { s[i] = ${erase === 'none' ? 'X(1.0)' : unit(lanes, '(e - V)')}; } }`
    : `{ let base = ((n * p.N + c) * p.H + h) * K * V + e;
  for (var i = 0u; i < KL; i++) { s[i] = ${gather('states', lanes, 'V')}; } }`
}
for (var t = first; t < end; t++) {
  ${rowsOfT}
  ${fade(k)}
  ${local ? `var x = 0.0; if (e < V) { x = ${value}(row * V + e); }` : `var x = ${value}(row * V + e);`}
  ${
    erasing
      ? `var seen = X();
  for (var i = 0u; i < KL; i++) { seen += a(row * KL + i) * s[i]; }
  let erased = total(seen);
  ${erase === 'own' ? 'x += erased;' : ''}
  ${phase === 'write' ? `set_u(row * V + e, ${erase === 'own' ? 'x' : 'erased'});` : ''}`
      : erase === 'pair'
        ? 'let erased = u(row * V + e);'
        : ''
  }
  ${reading ? 'var sum = X();' : ''}
  for (var i = 0u; i < KL; i++) {
    let now = ${kept(k, 'i')}s[i] + k(group_row * KL + i) * x${erase === 'pair' ? ' + b(row * KL + i) * erased' : ''};
    s[i] = now;
    ${reading ? 'sum += q(group_row * KL + i) * now;' : ''}
  }
  ${reading ? 'set_o(row * V + e, total(sum));' : ''}
}
${
  local
    ? `if (e < V) {
  let base = ((n * p.N + c + 1u) * p.H + h) * K * V + e;
  for (var i = 0u; i < KL; i++) { let x = s[i]; ${scatter('states', 'x', lanes, 'V')} }
} else {
  let base = (((n * p.N + c) * p.H + h) * p.extra + e - V) * K;
  for (var i = 0u; i < KL; i++) { let x = s[i]; ${scatter('turn', 'x', lanes, '1u')} }
}`
    : ''
}
${
  last
    ? `if (c + 1u == p.N) {
  let base = (n * p.H + h) * K * V + e;
  for (var i = 0u; i < KL; i++) { let x = s[i]; ${scatter('state', 'x', lanes, 'V')} }
}`
    : ''
}`,
  });
});

/**
 * Columns against time through a chunk, of the gradient by the state. `back`: from 0, or as transition, into the place of
 * the chunk's beginning. `values`: from what comes from later chunks, gradients of values and of what erasing wrote.
 */
export const backwardShader: (key: string) => GpuShader = /* @__PURE__ */ memo((text): GpuShader => {
  const { phase, ...k } = JSON.parse(text) as ScanKey & { phase: 'back' | 'written' | 'values' };
  const { at, erase, lanesK: lanes, K, V } = k;
  const back = phase === 'back';
  const lane = element(lanes);
  // In the last phase of a pair, what erasing wrote has its gradient already.
  const given = phase === 'values' && erase === 'pair';
  const key = erase === 'pair' && !given ? 'b' : 'k';
  const keyRow = key === 'b' ? 'row' : 'group_row';
  const out = phase === 'written' ? 'du' : 'dv';
  const erasing = erase !== 'none';
  return shader({
    name: `matrixScan.backward/${phase}`,
    operands: [
      reads('q', lane, at['q']),
      ...(back && !erasing ? [] : [reads(key, lane, at[key])]),
      reads('dO', 'f32', at['dO']),
      ...keepOperand(k, lanes),
      ...(erasing ? [reads('a', lane, at['a'])] : []),
      ...(given ? [reads('du', 'f32', at['du'])] : []),
      ...(back
        ? [writes('begin', 'f32', at['w']), writes('turn', 'f32', at['turn'])]
        : [reads('past', 'f32', at['w']), writes(out, 'f32', at[out])]),
    ],
    params: scanParams,
    workgroup: group,
    declare: `${head(lanes)}
const KL = ${K / lanes}u; const K = ${K}u; const V = ${V}u;`,
    main: `${place}
var w: array<X, ${K / lanes}>;
${
  back
    ? `if (e >= V) { for (var i = 0u; i < KL; i++) { w[i] = ${erasing ? unit(lanes, '(e - V)') : 'X(1.0)'}; } }`
    : `{ let base = ((n * (p.N + 1u) + c + 1u) * p.H + h) * K * V + e;
  for (var i = 0u; i < KL; i++) { w[i] = ${gather('past', lanes, 'V')}; } }`
}
for (var t = end; t > first;) {
  t--;
  ${rowsOfT}
  ${fade(k)}
  ${back ? 'var y = 0.0; if (e < V) { y = dO(row * V + e); }' : 'let y = dO(row * V + e);'}
  ${back && !erasing ? '' : 'var sum = X();'}
  for (var i = 0u; i < KL; i++) {
    let l = w[i] + q(group_row * KL + i) * y;
    ${back && !erasing ? '' : `sum += ${key}(${keyRow} * KL + i) * l;`}
    w[i] = ${erasing ? 'l' : `${kept(k, 'i')}l`};
  }
  ${back && !erasing ? '' : 'let written = total(sum);'}
  ${back ? '' : `set_${out}(row * V + e, written);`}
  ${
    erasing
      ? `let erased = ${given ? 'du(row * V + e)' : 'written'};
  for (var i = 0u; i < KL; i++) { w[i] = ${kept(k, 'i')}w[i] + a(row * KL + i) * erased; }`
      : ''
  }
}
${
  back
    ? `if (e < V) {
  let base = ((n * (p.N + 1u) + c) * p.H + h) * K * V + e;
  for (var i = 0u; i < KL; i++) { let x = w[i]; ${scatter('begin', 'x', lanes, 'V')} }
} else {
  let base = (((n * p.N + c) * p.H + h) * p.extra + e - V) * K;
  for (var i = 0u; i < KL; i++) { let x = w[i]; ${scatter('turn', 'x', lanes, '1u')} }
}`
    : ''
}`,
  });
});
