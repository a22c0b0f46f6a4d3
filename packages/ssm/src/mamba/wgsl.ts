// The selective scan in WGSL. All sizes are parameters but the states N and the positions L of a chunk, which are the
// lengths of private arrays. No workgroup memory, no barriers, at most 8 storage buffers.
import type { GpuShader } from '@seq/tensor/engine';
import { mathOf, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';
import { bodies } from './wgsl-bodies.js';
import type { TextShape } from './wgsl-bodies.js';

/** A shader, which operands its bindings are, and the names of those, by what it depends on. */
interface Wanted {
  readonly shape: TextShape;
  readonly operands: Readonly<Record<string, number>>;
}

/** Parameters of all passes; `small` holds A, D, deltaBias, B, C behind each other. */
const params = {
  count: 'u32',
  T: 'u32',
  C: 'u32',
  G: 'u32',
  K: 'u32',
  oD: 'u32',
  oBias: 'u32',
  oB: 'u32',
  oC: 'u32',
  // Inside `work`: sums of step sizes, sums of channels, sums of B and of C; blocks in all and in a group, channels of a block.
  oSteps: 'u32',
  oChannel: 'u32',
  oSumB: 'u32',
  oSumC: 'u32',
  blocks: 'u32',
  perGroup: 'u32',
  R: 'u32',
} as const;

/** Names of the parameters of all passes, in order. */
export const paramNames: readonly string[] = Object.keys(params);

const written = new Set(['y', 'last', 'starts!', 'work!', 'small!', 'du', 'ddelta', 'dz', 'dh0']);

/** Operands by name; a name with ! is written. */
function bindings(operands: Readonly<Record<string, number>>): Operand[] {
  return Object.entries(operands).map(([name, at]) =>
    (written.has(name) ? writes : reads)(name.replace('!', ''), 'f32', at),
  );
}

function declare({ N, softplus, bias, varB, varC }: TextShape): string {
  const row = (varies: boolean): string => (varies ? '(b * p.T + t) * p.G + c / (p.C / p.G)' : 'c');
  return `const N = ${N}u;
${mathOf('m_softplus m_sigmoid')}
fn b_at(b: u32, t: u32, c: u32) -> u32 { return p.oB + N * (${row(varB)}); }
fn c_at(b: u32, t: u32, c: u32) -> u32 { return p.oC + N * (${row(varC)}); }
fn raw_of(i: u32, c: u32) -> f32 { return delta(i)${bias ? ' + small(p.oBias + c)' : ''}; }
fn step_of(raw: f32) -> f32 { return ${softplus ? 'm_softplus(raw)' : 'raw'}; }`;
}

const text = /* @__PURE__ */ memo((key): GpuShader => {
  const [name, { shape, operands }] = JSON.parse(key) as [string, Wanted];
  return shader({
    name: `selectiveScan/${name}`,
    operands: bindings(operands),
    params,
    workgroup: 64,
    declare: name === 'gate' ? mathOf('m_sigmoid') : declareFor(name, shape),
    main: `if (linear >= p.count) { return; }\n  ${bodies[name](shape)}`,
  });
});

/** The carries know nothing of step sizes. */
function declareFor(name: string, shape: TextShape): string {
  return name.endsWith('arries') ? `const N = ${shape.N}u;` : declare(shape);
}

/** The shader of a pass; `operands` says which operand each name of its text is, names with ! are written. */
export function scanShader(
  name: string,
  shape: TextShape,
  operands: Readonly<Record<string, number>>,
): GpuShader {
  return text(JSON.stringify([name, { shape, operands }]));
}

/** A, D, deltaBias, B and C copied behind each other, so that one binding serves for five. */
export const packShader: (key: string) => GpuShader = /* @__PURE__ */ memo((key): GpuShader => {
  const parts = JSON.parse(key) as { name: string; operand: number }[];
  const small = parts.pop()!;
  const copies = parts.map(
    ({ name }, k) => `if (at < p.n${k}) { set_small(linear, ${name}(at)); return; } at -= p.n${k};`,
  );
  return shader({
    name: 'selectiveScan/pack',
    operands: [
      ...parts.map(({ name, operand }) => reads(name, 'f32', operand)),
      writes('small', 'f32', small.operand),
    ],
    params: Object.fromEntries(parts.map((_, k) => [`n${k}`, 'u32' as const])),
    workgroup: 64,
    main: `var at = linear;\n  ${copies.join('\n  ')}`,
  });
});

/** One sum: y(i) = Σ_j work(base + row of i + j stride), always in the same order. */
export const foldShader: (key: string) => GpuShader = /* @__PURE__ */ memo((key): GpuShader => {
  const [work, to] = JSON.parse(key) as number[];
  return shader({
    name: 'selectiveScan/fold',
    operands: [reads('work', 'f32', work), writes('y', 'f32', to)],
    params: { count: 'u32', width: 'u32', row: 'u32', base: 'u32', stride: 'u32', terms: 'u32' },
    workgroup: 64,
    main: `if (linear >= p.count) { return; }
  let at = p.base + linear / p.width * p.row + linear % p.width;
  var sum = 0.0;
  for (var j = 0u; j < p.terms; j++) { sum += work(at + j * p.stride); }
  set_y(linear, sum);`,
  });
});
