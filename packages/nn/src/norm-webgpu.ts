// WebGPU kernels of the norms over rows: layerNorm, rmsNorm and rmsNormGated differ in a few lines of text.
import { sizeOf } from '@seq/tensor';
import type { GpuCall, GpuKernels, GpuLimits, GpuPass, GpuPlan, GpuShader } from '@seq/tensor/engine';
import { combineText, foldLanes, grid, memo, reads, shader, writes } from '@seq/webgpu-kernels/wgsl';
import type { Operand } from '@seq/webgpu-kernels/wgsl';

/** What a norm is; sizes are parameters of its kernels. */
export interface NormKind {
  readonly name: string;
  /** The mean is taken off first. */
  readonly centre: boolean;
  /** A second input z opens rows by g(z), before they are normalised or after. */
  readonly gate?: { readonly silu: boolean; readonly before: boolean };
  readonly weight: boolean;
  readonly bias: boolean;
}

interface NormShape extends NormKind {
  readonly backward: boolean;
  /** Results for weight and bias, in this order; rmsNorm has none for a bias. */
  readonly vectors: readonly string[];
  /** Invocations that share a row, and rows that a workgroup works on at a time. */
  readonly lanes: number;
  readonly slots: number;
  /** Four elements at once. */
  readonly four: boolean;
  readonly alias: readonly number[];
}

/** Inputs in their order, by their names in the text. */
function inputNames({ gate, weight, bias, backward }: NormShape): string[] {
  return [
    'x',
    ...(gate ? ['z'] : []),
    ...(weight ? ['w'] : []),
    ...(bias ? ['b'] : []),
    ...(backward ? ['dy'] : []),
  ];
}

/** g and its slope; e = e^−|z| keeps infinities out of the arithmetic. */
const gateText = (silu: boolean): string => `
fn small(z: T) -> T { return exp(-min(abs(z), T(100.0))); }
fn sigma(z: T) -> T {
  let e = small(z);
  let nan = (bitcast<U>(z) & U(0x7fffffffu)) > U(0x7f800000u);
  return select(select(T(1.0), e, z < T(0.0)) / (T(1.0) + e), z, nan);
}
fn steep(z: T) -> T { let e = small(z); return e / ((T(1.0) + e) * (T(1.0) + e)); }
${
  silu
    ? `fn gate(z: T) -> T { return select(z * sigma(z), T(0.0), z < T(-100.0)); }
fn slope(z: T) -> T { return sigma(z) + clamp(z, T(-100.0), T(100.0)) * steep(z); }`
    : `fn gate(z: T) -> T { return sigma(z); }
fn slope(z: T) -> T { return steep(z); }`
}`;

function functionsText({ four, lanes, slots, gate, backward }: NormShape): string {
  const whole = four ? '(v.x + v.y) + (v.z + v.w)' : 'v';
  return `alias T = ${four ? 'vec4<f32>' : 'f32'};
alias U = ${four ? 'vec4<u32>' : 'u32'};
${combineText.add('f32')}
fn add2(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> { return a + b; }
${foldLanes({ name: 'across', type: 'f32', combine: 'add', lanes, slots })}
${backward ? foldLanes({ name: 'across2', type: 'vec2<f32>', combine: 'add2', lanes, slots, bytes: 8 }) : ''}
fn whole(v: T) -> f32 { return ${whole}; }
${gate ? gateText(gate.silu) : ''}
fn normed(i: u32) -> T { return ${gate?.before ? 'x(i) * gate(z(i))' : 'x(i)'}; }`;
}

/** A loop of a lane over its elements j of a live row. */
const each = ({ lanes }: NormShape, text: string): string =>
  `if (live) { for (var j = lane; j < p.n; j += ${lanes}u) { ${text} } }`;

/** Declares `centre` and `scale` of the row that begins at `base`; the mean comes off before anything is squared. */
function momentsText(s: NormShape): string {
  const mean = s.centre
    ? `var total = T(0.0);
  ${each(s, 'total += normed(base + j);')}
  let centre = across(slot, lane, whole(total)) * p.share;`
    : 'let centre = 0.0;';
  return `
  ${mean}
  var squares = T(0.0);
  ${each(s, 'let v = normed(base + j) - centre; squares += v * v;')}
  let scale = inverseSqrt(across(slot, lane, whole(squares)) * p.share + p.eps);`;
}

function forwardText(s: NormShape): string {
  const { weight, bias, gate } = s;
  return `
  let slot = lix / ${s.lanes}u;
  let lane = lix % ${s.lanes}u;
  let row = group * ${s.slots}u + slot;
  let live = row < p.rows;
  let base = row * p.n;
  let channel = (row % p.groups) * p.n;
  ${momentsText(s)}
  ${each(
    s,
    `var y = (normed(base + j) - centre) * scale;
    ${weight ? 'y = y * w(channel + j);' : ''}
    ${bias ? 'y = y + b(channel + j);' : ''}
    ${gate && !gate.before ? 'y = y * gate(z(base + j));' : ''}
    set_y(base + j, y);`,
  )}`;
}

/**
 * Unit u takes rows u, u + units, … of one group of channels, and adds up what they give weight and bias among the
 * partial sums, where the same lane always works on the same channel.
 */
function backwardText(s: NormShape): string {
  const { centre, weight, bias, gate } = s;
  const late = gate !== undefined && !gate.before;
  const slope = `
    let unit = (normed(base + j) - centre) * scale;
    let d = dy(base + j)${late ? ' * gate(z(base + j))' : ''};
    let k = d${weight ? ' * w(channel + j)' : ''};`;
  const outer = [`unit${weight ? ' * w(channel + j)' : ''}`, ...(bias ? ['b(channel + j)'] : [])].join(' + ');
  const dz = late ? `dy(base + j) * (${outer})` : 'inner * x(base + j)';
  return `
  let slot = lix / ${s.lanes}u;
  let lane = lix % ${s.lanes}u;
  let who = group * ${s.slots}u + slot;
  let channel = (who % p.groups) * p.n;
  let sums = (who / p.groups) * p.channels + channel;
  for (var turn = 0u; turn < p.rounds; turn++) {
    let row = who + turn * p.units;
    let live = who < p.units && row < p.rows;
    let base = row * p.n;
    ${momentsText(s)}
    var plain = T(0.0);
    var turned = T(0.0);
    ${each(s, `${slope} plain += k; turned += k * unit;`)}
    let means = across2(slot, lane, vec2<f32>(whole(plain), whole(turned))) * p.share;
    ${each(
      s,
      `${slope}
      let inner = scale * (k - ${centre ? 'means.x - ' : ''}unit * means.y);
      ${gate ? `let opened = ${dz} * slope(z(base + j));` : ''}
      let moved = inner${gate?.before ? ' * gate(z(base + j))' : ''};
      let first = turn == 0u;
      ${s.vectors.map((v) => `set_${v}(sums + j, ${v === 'dw' ? 'd * unit' : 'd'} + select(${v}(sums + j), T(0.0), first));`).join('\n      ')}
      set_dx(base + j, moved);
      ${gate ? 'set_dz(base + j, opened);' : ''}`,
    )}
  }`;
}

const normShader = /* @__PURE__ */ memo((key): GpuShader => {
  const s = JSON.parse(key) as NormShape;
  const type = s.four ? 'f32x4' : 'f32';
  const names = inputNames(s);
  const idle = s.backward && !(s.gate && !s.gate.before) ? ['b'] : [];
  const inputs = names.flatMap((name, i): Operand[] => (idle.includes(name) ? [] : [reads(name, type, i)]));
  const outputs = s.backward ? ['dx', ...(s.gate ? ['dz'] : [])] : ['y'];
  // Behind dx and dz lie the results for weight and bias, then scratch memory for each.
  const scratch = names.length + outputs.length + s.vectors.length;
  return shader({
    name: `${s.name}/${s.backward ? 'backward' : 'forward'}`,
    operands: [
      ...inputs,
      ...outputs.map((name, i) => writes(name, type, names.length + i)),
      ...s.vectors.map((name, i) => writes(name, type, scratch + i)),
    ],
    params: {
      rows: 'u32',
      n: 'u32',
      groups: 'u32',
      share: 'f32',
      eps: 'f32',
      ...(s.backward ? { channels: 'u32', units: 'u32', rounds: 'u32' } : {}),
    },
    workgroup: s.lanes * s.slots,
    alias: s.alias,
    declare: functionsText(s),
    main: s.backward ? backwardText(s) : forwardText(s),
  });
});

/** Adds up [parts, channels] for weight and bias: one invocation a channel, in the order of the parts. */
const sumShader = /* @__PURE__ */ memo((key): GpuShader => {
  const [first, count] = JSON.parse(key) as [number, number];
  const vectors = Array.from({ length: count }, (_, i) => i);
  return shader({
    name: 'norm/sums',
    operands: [
      ...vectors.map((i) => writes(`y${i}`, 'f32', first + i)),
      ...vectors.map((i) => reads(`part${i}`, 'f32', first + count + i)),
    ],
    params: { channels: 'u32', parts: 'u32' },
    workgroup: 64,
    main: `
  if (linear >= p.channels) { return; }
  ${vectors
    .map(
      (i) => `var s${i} = 0.0;
  for (var k = 0u; k < p.parts; k++) { s${i} += part${i}(k * p.channels + linear); }
  set_y${i}(linear, s${i});`,
    )
    .join('\n  ')}`,
  });
});

/** How rows of n elements, or fours, are shared out. On a program that waits long at barriers no lane waits. */
function sharesOf(n: number, software: boolean): { lanes: number; slots: number } {
  if (software) return { lanes: 1, slots: 16 };
  const lanes = Math.min(256, Math.max(8, 2 ** Math.ceil(Math.log2(n / 2))));
  return { lanes, slots: 256 / lanes };
}

/** Rows whose sums for weight and bias are added up in turn, at least, and partial sums at most. */
const fewestRows = 8;
const mostParts = 256;

/** What a call asks for beside its operands. */
export interface NormCall {
  readonly kind: NormKind;
  readonly eps: number;
  /** Length of the rows; divides the last axis. */
  readonly size: number;
}

function planNorm(
  { kind, eps, size }: NormCall,
  backward: boolean,
  four: boolean,
  call: GpuCall<unknown>,
  { software }: GpuLimits,
): GpuPlan {
  const { shape } = call.inputs[0];
  const [all, channels] = [sizeOf(shape), shape[shape.length - 1]];
  if (channels === 0) return { passes: [] };
  const per = four ? 4 : 1;
  const [n, rows, groups] = [size / per, all / size, channels / size];
  const vectors = backward ? ['dw', 'db'].slice(0, call.outputs.length - (kind.gate ? 2 : 1)) : [];
  const s: NormShape = { ...kind, backward, vectors, four, ...sharesOf(n, software), alias: call.alias };
  const params = [rows, n, groups, 1 / size, eps];
  const pass = (workgroups: number, more: readonly number[]): GpuPass => ({
    shader: normShader(JSON.stringify(s)),
    params: [...params, ...more],
    workgroups: grid(workgroups),
  });
  if (!backward) return { passes: rows === 0 ? [] : [pass(Math.ceil(rows / s.slots), [])] };
  const parts = Math.min(mostParts, Math.ceil(rows / groups / fewestRows));
  const units = parts * groups;
  const sums: GpuPass = {
    shader: sumShader(
      JSON.stringify([call.inputs.length + call.outputs.length - vectors.length, vectors.length]),
    ),
    params: [channels, parts],
    workgroups: grid(channels, 64),
  };
  const bytes = Math.max(4, 4 * parts * channels);
  return {
    passes:
      rows === 0
        ? [sums]
        : [pass(Math.ceil(units / s.slots), [channels / per, units, Math.ceil(rows / units)]), sums],
    scratch: vectors.map(() => bytes),
  };
}

/**
 * Kernels of a norm whose last inputs are weight and bias, or of its gradient, which has dy behind them and answers
 * with the gradients of x, z, weight and bias.
 */
export function normKernels<A>(read: (call: GpuCall<A>) => NormCall, backward: boolean): GpuKernels<A> {
  const variant = (name: string, four: boolean): GpuKernels<A>['variants'][number] => ({
    name,
    supports(call) {
      const { dtype } = call.inputs[0];
      if (dtype !== 'f32') return `rows must be f32, got ${dtype}`;
      if (!four) return true;
      if (read(call).size % 4 !== 0) return 'rows must be whole fours';
      return (
        [...call.inputs, ...call.outputs].every((v) => v.aligned % 4 === 0) || 'rows must begin at fours'
      );
    },
    plan: (call, limits) => planNorm(read(call), backward, four, call, limits),
  });
  return {
    inplace: backward ? [0, 1, 2, 3, 4].map((i) => [0, i] as const) : [[0, 0]],
    variants: [variant('fours', true), variant('elements', false)],
  };
}
