import { complexRecurrenceOp } from '@seq/tensor/engine';
import type {
  ComplexRecurrenceAttrs,
  GpuCall,
  GpuLimits,
  GpuPass,
  GpuPlan,
  GpuShader,
} from '@seq/tensor/engine';
import { grid, memo, reads, shader, writes } from '../wgsl/index.js';
import type { Entry } from './entry.js';
import { entry } from './entry.js';
import { complexLinear } from './scan/algebra.js';
import { chunkOf } from './scan/columns.js';
import type { Phase } from './scan/problem.js';
import { planTiles, suitsTiles, tileShader } from './scan/tiles.js';

interface TextShape {
  readonly phase: Phase;
  readonly reverse: boolean;
  readonly shifted: boolean;
  readonly initial: boolean;
  /** Number of inputs: outputs and scratch come behind. */
  readonly inputs: number;
}

/** Where elements lie, by the parameters Q, aP, aT and aQ; T is a number of the text. */
const placesText = (T: string): string => `
fn x_at(pq: vec2<u32>, t: u32) -> u32 { return (pq.x * ${T} + t) * p.Q + pq.y; }
fn a_at(pq: vec2<u32>, t: u32) -> u32 { return pq.x * p.aP + t * p.aT + pq.y * p.aQ; }`;

/**
 * h_t = a_t h_{t−1} + x_t in complex numbers, x [P, T, Q]: one column (p, q) and one chunk of it per invocation,
 * neighbours being neighbouring columns. No workgroup memory. A part of `part` has four planes: the product of the
 * factors of a chunk, and its h from nothing; `carry` has two.
 */
const text = /* @__PURE__ */ memo((key): GpuShader => {
  const { phase, reverse, shifted, initial, inputs } = JSON.parse(key) as TextShape;
  const elements = phase !== 'carries';
  const running = phase === 'whole' || phase === 'chunks';
  const [part, carry] = [inputs + 2, inputs + 3];
  const withState = initial && !shifted && (phase === 'whole' || phase === 'carries');
  const factor = shifted ? (reverse ? 't + 1u' : 't - 1u') : 't';
  const read = (name: string): string =>
    `vec2<f32>(${name}r(${name}_at(pq, ${name === 'a' ? factor : 't'})), ${name}i(${name}_at(pq, ${name === 'a' ? factor : 't'})))`;
  const state = 'vec2<f32>(hr(column), hi(column))';
  const step = `let t = ${reverse ? 'p.T - 1u - n' : 'n'};
    let e = ${read('x')};
    ${
      // The first factor is not there when shifted; where nothing stood before it multiplies 0.
      `if (n == 0u && ${shifted ? 'true' : phase === 'whole' ? (withState ? 'false' : 'true') : 'false'}) { h = e; } else {
      let f = ${read('a')};
      h = times(f, h) + e;
      ${phase === 'sums' ? 'factors = times(f, factors);' : ''}
    }`
    }
    ${running ? 'let at = x_at(pq, t); set_or(at, h.x); set_oi(at, h.y);' : ''}`;
  const loop = `let column = linear % p.columns;
  let chunk = linear / p.columns;
  let pq = vec2<u32>(column / p.Q, column % p.Q);
  var h = ${phase === 'chunks' ? 'vec2<f32>(carry(2u * linear), carry(2u * linear + 1u))' : withState ? state : 'vec2<f32>(0.0, 0.0)'};
  var factors = vec2<f32>(1.0, 0.0);
  for (var n = chunk * p.chunk; n < min(p.T, (chunk + 1u) * p.chunk); n++) {
    ${step}
  }
  ${
    phase === 'sums'
      ? `set_part(4u * linear, factors.x); set_part(4u * linear + 1u, factors.y);
  set_part(4u * linear + 2u, h.x); set_part(4u * linear + 3u, h.y);`
      : ''
  }`;
  const carries = `let column = linear;
  var h = ${withState ? state : 'vec2<f32>(0.0, 0.0)'};
  for (var c = 0u; c < p.chunks; c++) {
    let at = c * p.columns + column;
    set_carry(2u * at, h.x);
    set_carry(2u * at + 1u, h.y);
    let e = vec2<f32>(part(4u * at + 2u), part(4u * at + 3u));
    // A product of factors may overflow where nothing is carried.
    if (h.x == 0.0 && h.y == 0.0) { h = e; } else { h = times(vec2<f32>(part(4u * at), part(4u * at + 1u)), h) + e; }
  }`;
  return shader({
    name: `complexRecurrence/${phase}`,
    operands: [
      ...(elements ? ['ar', 'ai', 'xr', 'xi'].map((name, i) => reads(name, 'f32', i)) : []),
      ...(withState ? [reads('hr', 'f32', 4), reads('hi', 'f32', 5)] : []),
      ...(running ? [writes('or', 'f32', inputs), writes('oi', 'f32', inputs + 1)] : []),
      ...(phase === 'sums' ? [writes('part', 'f32', part)] : []),
      ...(phase === 'carries' ? [reads('part', 'f32', part), writes('carry', 'f32', carry)] : []),
      ...(phase === 'chunks' ? [reads('carry', 'f32', carry)] : []),
    ],
    params: {
      count: 'u32',
      columns: 'u32',
      T: 'u32',
      Q: 'u32',
      chunk: 'u32',
      chunks: 'u32',
      aP: 'u32',
      aT: 'u32',
      aQ: 'u32',
    },
    workgroup: 64,
    declare: `fn times(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}
${placesText('p.T')}`,
    main: `if (linear >= p.count) { return; }\n  ${elements ? loop : carries}`,
  });
});

/** The same with neighbours at neighbouring steps, as `scan/tiles.ts` says. */
const tiles = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as TextShape;
  const { phase, reverse, shifted, inputs } = s;
  const state = s.initial && !shifted;
  const at = (t: string): string => (reverse ? `p.n - 1u - ${t}` : t);
  return tileShader({
    ...{ name: 'complexRecurrence', algebra: complexLinear, phase, exclusive: false },
    params: { Q: 'u32', aP: 'u32', aT: 'u32', aQ: 'u32' },
    declare:
      placesText('p.n') +
      (phase === 'carries'
        ? ''
        : `
fn element(pq: vec2<u32>, t: u32) -> vec4<f32> {
  let at = x_at(pq, ${at('t')});
  let x = vec2<f32>(xr(at), xi(at));
  ${state ? '' : 'if (t == 0u) { return vec4<f32>(0.0, 0.0, x); }'}
  let f_at = a_at(pq, ${at(shifted ? '(t - 1u)' : 't')});
  return vec4<f32>(ar(f_at), ai(f_at), x);
}`),
    column: 'let pq = vec2<u32>(column / p.Q, column % p.Q);',
    load: 'element(pq, t)',
    store: `let at = x_at(pq, ${at('t')}); set_or(at, v.z); set_oi(at, v.w);`,
    initial: state ? 'vec4<f32>(1.0, 0.0, hr(column), hi(column))' : complexLinear.nothing,
    operands: [
      ...['ar', 'ai', 'xr', 'xi'].map((name, i) => reads(name, 'f32', i)),
      ...(phase === 'sums' ? [] : [writes('or', 'f32', inputs), writes('oi', 'f32', inputs + 1)]),
    ],
    before: state ? [reads('hr', 'f32', 4), reads('hi', 'f32', 5)] : [],
    scratch: inputs + 2,
    alias: [],
  });
});

type Call = GpuCall<ComplexRecurrenceAttrs>;

const shapeOf = ({ inputs, attrs }: Call): Omit<TextShape, 'phase'> => ({
  ...attrs,
  initial: inputs.length > 4,
  inputs: inputs.length,
});

const stridesOf = ({ inputs: [{ shape }] }: Call): number[] =>
  [shape[1] * shape[2], shape[2], 1].map((s, i) => (shape[i] === 1 ? 0 : s));

function planTiled(call: Call): GpuPlan {
  const [P, n, Q] = call.inputs[2].shape;
  if (P * n * Q === 0) return { passes: [] };
  return planTiles(
    complexLinear,
    { columns: P * Q, n },
    (phase) => tiles(JSON.stringify({ ...shapeOf(call), phase })),
    [Q, ...stridesOf(call)],
  );
}

function plan(call: Call, limits: GpuLimits): GpuPlan {
  const [P, T, Q] = call.inputs[2].shape;
  const columns = P * Q;
  if (columns * T === 0) return { passes: [] };
  const chunk = chunkOf(T, columns, limits.software);
  const chunks = Math.ceil(T / chunk);
  const strides = stridesOf(call);
  const pass = (phase: Phase, count: number): GpuPass => ({
    shader: text(JSON.stringify({ phase, ...shapeOf(call) })),
    params: [count, columns, T, Q, chunk, chunks, ...strides],
    workgroups: grid(count, 64),
  });
  if (chunks === 1) return { passes: [pass('whole', columns)] };
  return {
    passes: [pass('sums', columns * chunks), pass('carries', columns), pass('chunks', columns * chunks)],
    scratch: [16 * columns * chunks, 8 * columns * chunks],
  };
}

export const complexScanKernels = (): Entry[] => [
  entry(complexRecurrenceOp, {
    variants: [
      {
        name: 'tiles',
        supports: ({ inputs: [, , { shape }] }, limits) => suitsTiles(shape[1], shape[2], limits),
        plan: planTiled,
      },
      { name: 'columns', supports: () => true, plan },
    ],
  }),
];
