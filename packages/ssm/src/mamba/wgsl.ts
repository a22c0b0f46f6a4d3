// The selective scan in WGSL. All sizes are parameters but the states N and the positions L of a chunk, which are the
// lengths of private arrays. No workgroup memory, no barriers, at most 8 storage buffers.
import type { GpuShader } from '@seq/tensor/engine';
import { mathOf, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';

/** What the texts depend on. */
export interface TextShape {
  readonly N: number;
  readonly L: number;
  readonly softplus: boolean;
  readonly D: boolean;
  readonly bias: boolean;
  readonly z: boolean;
  readonly varB: boolean;
  readonly varC: boolean;
}

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

const each = (body: string): string => `for (var n = 0u; n < N; n++) { ${body} }`;

/** h after position t; `sum` is C h + D u. */
function advance({ D }: TextShape, keep: string = ''): string {
  return `let i = (b * p.T + t) * p.C + c;
    let x = u(i);
    let dt = step_of(raw_of(i, c));
    let pb = b_at(b, t, c);
    let pc = c_at(b, t, c);
    var sum = ${D ? 'small(p.oD + c) * x' : '0.0'};
    ${each(`${keep} h[n] = exp(dt * rate[n]) * h[n] + dt * x * small(pb + n); sum += small(pc + n) * h[n];`)}`;
}

const rates = `var rate: array<f32, N>;
  ${each('rate[n] = small(c * N + n);')}`;

const output = (z: boolean): string =>
  z ? 'let g = z(i); set_y(i, sum * g * m_sigmoid(g));' : 'set_y(i, sum);';

/** Bodies of the passes by name; an invocation is what `count` counts. */
const bodies: Readonly<Record<string, (s: TextShape) => string>> = {
  /** A channel of a row, all positions: also keeps the state at the beginning of each chunk. */
  rows: (s) => `let c = linear % p.C;
  let b = linear / p.C;
  ${rates}
  var h: array<f32, N>;
  ${each('h[n] = h0(linear * N + n);')}
  for (var k = 0u; k < p.K; k++) {
    let at = ((b * p.K + k) * p.C + c) * N;
    ${each('set_starts(at + n, h[n]);')}
    for (var t = k * ${s.L}u; t < min(p.T, (k + 1u) * ${s.L}u); t++) {
    ${advance(s)}
    ${output(s.z)}
    }
  }
  ${each('set_last(linear * N + n, h[n]);')}`,

  /** A channel in a chunk, from nothing: its state at the end and the sum of its step sizes. */
  sums: (s) => `let c = linear % p.C;
  let k = linear / p.C % p.K;
  let b = linear / (p.C * p.K);
  ${rates}
  var h: array<f32, N>;
  var total = 0.0;
  for (var t = k * ${s.L}u; t < min(p.T, (k + 1u) * ${s.L}u); t++) {
    let i = (b * p.T + t) * p.C + c;
    let dt = step_of(raw_of(i, c));
    let x = u(i);
    let pb = b_at(b, t, c);
    total += dt;
    ${each('h[n] = exp(dt * rate[n]) * h[n] + dt * x * small(pb + n);')}
  }
  ${each('set_work(linear * N + n, h[n]);')}
  set_work(p.oSteps + linear, total);`,

  /** One state of a channel of a row over all chunks. */
  carries: () => `let n = linear % N;
  let c = linear / N % p.C;
  let b = linear / (N * p.C);
  let rate = small(c * N + n);
  var h = h0(linear);
  for (var k = 0u; k < p.K; k++) {
    let at = (b * p.K + k) * p.C + c;
    set_starts(at * N + n, h);
    h = exp(rate * work(p.oSteps + at)) * h + work(at * N + n);
  }
  set_last(linear, h);`,

  /** A channel in a chunk, from the state at its beginning. */
  chunks: (s) => `let c = linear % p.C;
  let k = linear / p.C % p.K;
  let b = linear / (p.C * p.K);
  ${rates}
  var h: array<f32, N>;
  ${each('h[n] = starts(linear * N + n);')}
  for (var t = k * ${s.L}u; t < min(p.T, (k + 1u) * ${s.L}u); t++) {
    ${advance(s)}
    ${output(s.z)}
  }`,

  /** One element: the gradient behind the gate, kept in du, and its share of dz, kept there. */
  gate: () => `let g = z(linear);
  let s = m_sigmoid(g);
  set_du(linear, dy(linear) * g * s);
  set_dz(linear, dy(linear) * s * (1.0 + g * (1.0 - s)));`,

  /** As sums, against time: what a chunk hands to the one before it when nothing comes from behind. */
  backSums: (s) => `let c = linear % p.C;
  let k = linear / p.C % p.K;
  let b = linear / (p.C * p.K);
  ${rates}
  var lambda: array<f32, N>;
  var total = 0.0;
  for (var t = min(p.T, (k + 1u) * ${s.L}u); t > k * ${s.L}u; ) {
    t--;
    let i = (b * p.T + t) * p.C + c;
    let dt = step_of(raw_of(i, c));
    let g = ${s.z ? 'du(i)' : 'dy(i)'};
    let pc = c_at(b, t, c);
    total += dt;
    ${each('lambda[n] = exp(dt * rate[n]) * (lambda[n] + small(pc + n) * g);')}
  }
  ${each('set_work(linear * N + n, lambda[n]);')}
  set_work(p.oSteps + linear, total);`,

  /** As carries, against time: leaves in \`work\` what comes to each chunk from behind. */
  backCarries: () => `let n = linear % N;
  let c = linear / N % p.C;
  let b = linear / (N * p.C);
  let rate = small(c * N + n);
  var lambda = dlast(linear);
  for (var k = p.K; k > 0u; ) {
    k--;
    let at = (b * p.K + k) * p.C + c;
    let own = work(at * N + n);
    set_work(at * N + n, lambda);
    lambda = exp(rate * work(p.oSteps + at)) * lambda + own;
  }
  set_dh0(linear, lambda);`,

  /**
   * A block of channels in a chunk, one after the other: states forward into a private array, then all gradients
   * against time. Sums over channels collect in rows of \`work\` that belong to this invocation alone.
   */
  gradients: (s) => {
    const slots = channelSlots(s);
    const sum = (at: string, value: string): string =>
      `{ let j = ${at}; set_work(j, select(work(j), 0.0, c == first) + ${value}); }`;
    return `let block = linear % p.blocks;
  let k = linear / p.blocks % p.K;
  let b = linear / (p.blocks * p.K);
  let width = p.C / p.G;
  let within = block % p.perGroup * p.R;
  let first = block / p.perGroup * width + within;
  let begin = k * ${s.L}u;
  let end = min(p.T, begin + ${s.L}u);
  for (var c = first; c < first + min(p.R, width - within); c++) {
  let channel = (b * p.K + k) * p.C + c;
  ${rates}
  var h: array<f32, N>;
  var lambda: array<f32, N>;
  var dA: array<f32, N>;
  ${s.varB ? '' : 'var dB: array<f32, N>;'}
  ${s.varC ? '' : 'var dC: array<f32, N>;'}
  var before: array<f32, ${s.L * s.N}>;
  ${each(`h[n] = starts(channel * N + n); lambda[n] = work(channel * N + n); dA[n] = 0.0; ${s.varB ? '' : 'dB[n] = 0.0;'} ${s.varC ? '' : 'dC[n] = 0.0;'}`)}
  for (var t = begin; t < end; t++) {
    ${advance(s, 'before[(t - begin) * N + n] = h[n];')}
    ${s.z ? 'set_dz(i, dz(i) * sum);' : ''}
  }
  var dD = 0.0;
  var dBias = 0.0;
  for (var t = end; t > begin; ) {
    t--;
    let i = (b * p.T + t) * p.C + c;
    let raw = raw_of(i, c);
    let dt = step_of(raw);
    let x = u(i);
    let g = ${s.z ? 'du(i)' : 'dy(i)'};
    let pb = b_at(b, t, c);
    let pc = c_at(b, t, c);
    let row = ((b * p.T + t) * p.blocks + block) * N;
    var dx = 0.0;
    var dstep = 0.0;
    for (var n = 0u; n < N; n++) {
      let decayed = exp(dt * rate[n]) * before[(t - begin) * N + n];
      let bn = small(pb + n);
      let l = lambda[n] + small(pc + n) * g;
      dA[n] += l * dt * decayed;
      dx += l * bn;
      dstep += l * (rate[n] * decayed + bn * x);
      ${s.varB ? sum('p.oSumB + row + n', 'l * dt * x') : 'dB[n] += l * dt * x;'}
      ${s.varC ? sum('p.oSumC + row + n', 'g * (decayed + dt * x * bn)') : 'dC[n] += g * (decayed + dt * x * bn);'}
      lambda[n] = exp(dt * rate[n]) * l;
    }
    let ddelta = ${s.softplus ? 'dstep * m_sigmoid(raw)' : 'dstep'};
    set_du(i, dt * dx${s.D ? ' + small(p.oD + c) * g' : ''});
    set_ddelta(i, ddelta);
    dD += g * x;
    dBias += ddelta;
  }
  let own = p.oChannel + channel * ${slots.all}u;
  ${each(`set_work(own + n, dA[n]); ${s.varB ? '' : `set_work(own + ${slots.B}u + n, dB[n]);`} ${s.varC ? '' : `set_work(own + ${slots.C}u + n, dC[n]);`}`)}
  set_work(own + ${slots.D}u, dD);
  set_work(own + ${slots.bias}u, dBias);
  }`;
  },
};

/** Places of the sums of one channel in one chunk: A, B and C where they are the same at all positions, D, deltaBias. */
export function channelSlots({ N, varB, varC }: Pick<TextShape, 'N' | 'varB' | 'varC'>): {
  readonly B: number;
  readonly C: number;
  readonly D: number;
  readonly bias: number;
  readonly all: number;
} {
  const C = N + (varB ? 0 : N);
  const D = C + (varC ? 0 : N);
  return { B: N, C, D, bias: D + 1, all: D + 2 };
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
