import type { DType, GpuCall, GpuPass, GpuShader, Op } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import type { Element, Operand } from '../../wgsl/shader.js';
import { grid, reads, shader, writes } from '../../wgsl/shader.js';
import { expressions } from './expressions.js';
import type { Lane, Step } from './lane.js';
import { constantsOf, laneKey, laneText, wgslType } from './lane.js';
import type { Access, Placed } from './layout.js';
import { accessOf, broadcastStrides, collapse } from './layout.js';

/** A chain of element-by-element ops over inputs that broadcast to the shape of the outputs. */
export interface Chain {
  readonly name: string;
  readonly inputs: readonly Placed[];
  readonly steps: readonly Step[];
  /** Where values go: `value` numbers an input or a step. All have the same shape. */
  readonly outputs: readonly (Placed & { readonly value: number })[];
  readonly alias?: readonly number[];
  /** One element at a time, even where four would do. */
  readonly single?: boolean;
}

/** True for an op that may be a step. */
export function isStep(op: Op): boolean {
  return expressions.has(op);
}

const WORKGROUP = 64;
/** Elements, or fours of elements, of one invocation. */
const EACH = 4;

const vectorType: { readonly [D in DType]: Element } = {
  f32: 'f32x4',
  f64: 'f32x4',
  f16: 'f16x4',
  i32: 'i32x4',
  u32: 'u32x4',
  bool: 'u32x4',
};
const elementType = (d: DType): Element => (d === 'f64' ? 'f32' : d);

interface Reader extends Placed {
  readonly access: Access;
  readonly strides: readonly number[];
}

/** The pass that computes a chain; undefined when there is nothing to compute. */
export function chainPass(chain: Chain): GpuPass | undefined {
  const { inputs, outputs, alias = [] } = chain;
  const shape = outputs[0].view.shape;
  const n = sizeOf(shape);
  if (n === 0) return undefined;
  const all: readonly Placed[] = [...outputs, ...inputs];
  const nest = collapse(
    shape,
    all.map((o) => broadcastStrides(o.view, shape)),
  );
  const { sizes } = nest;
  const inner = sizes.at(-1) ?? 1;
  const shared = (o: Placed): boolean => (alias[o.operand] ?? -1) !== -1;
  const read = (o: Placed, k: number, fours: boolean): Reader => {
    const aligned =
      !fours || shared(o) || (o.base ?? 0) % 4 === 0 ? (fours && !shared(o) ? o.view.aligned : 4) : 1;
    const access = accessOf(nest, nest.strides[k], aligned);
    return {
      ...o,
      strides: nest.strides[k],
      access: fours || access === 'linear' || access === 'scalar' ? access : 'any',
    };
  };
  // Four elements at a time need whole fours in every row, of all that is written.
  const whole = (r: Reader): boolean => r.access === 'linear' || r.access === 'rows';
  const vector = chain.single !== true && inner % 4 === 0 && outputs.every((o, k) => whole(read(o, k, true)));
  const readers = all.map((o, k) => read(o, k, vector));
  const strided = (r: Reader): boolean =>
    (r.access !== 'linear' && r.access !== 'scalar') || (r.base ?? 0) !== 0;
  const key = [
    chain.name,
    vector,
    sizes.length,
    readers.map((r) => `${r.operand}${r.view.dtype}${r.access}${strided(r)}`),
    laneKey(laneOf(chain)),
    alias,
  ].join(';');
  let made = shaders.get(key);
  if (made === undefined) shaders.set(key, (made = build(chain, readers, sizes.length, vector, strided)));

  const per = vector ? 4 : 1;
  const params = [n / per, ...sizes.slice(1).map((d, i) => (i === sizes.length - 2 ? d / per : d))];
  for (const r of readers) {
    if (!strided(r)) continue;
    const unit = vector && (r.access === 'rows' || r.access === 'linear') ? 4 : 1;
    params.push((r.base ?? 0) / unit);
    r.strides.forEach((s, i) => params.push(i === sizes.length - 1 ? s * (per / unit) : s / unit));
    if (vector && r.access === 'any') params.push(r.strides[sizes.length - 1] ?? 1);
  }
  for (const [, word] of constantsOf(laneOf(chain))) params.push(word);
  return { shader: made, params: params.map((v) => v >>> 0), workgroups: grid(n / per, WORKGROUP * EACH) };
}

/** The pass that computes one op of a call. */
export function opPass(op: Op, call: GpuCall<unknown>, single: boolean = false): GpuPass | undefined {
  const inputs = call.inputs.map((view, operand) => ({ view, operand }));
  const view = call.outputs[0];
  return chainPass({
    name: `map/${op.name}`,
    inputs,
    steps: [{ op, args: inputs.map((_, i) => i), dtype: view.dtype }],
    outputs: [{ view, operand: inputs.length, value: inputs.length }],
    alias: call.alias,
    single,
  });
}

function laneOf({ inputs, steps, outputs }: Chain): Lane {
  return {
    given: inputs.map(({ view: { dtype } }, id) => ({ id, dtype })),
    steps,
    first: inputs.length,
    results: outputs.map(({ view: { dtype }, value }) => ({ id: value, dtype })),
    prefix: 'k',
  };
}

const shaders = new Map<string, GpuShader>();

function build(
  chain: Chain,
  readers: readonly Reader[],
  rank: number,
  vector: boolean,
  strided: (r: Reader) => boolean,
): GpuShader {
  const { inputs, outputs, alias } = chain;
  const nameOf = (k: number): string => (k < outputs.length ? `y${k}` : `x${k - outputs.length}`);
  const wide = (r: Reader): boolean => vector && (r.access === 'linear' || r.access === 'rows');

  const operands = readers.map((r, k): Operand => {
    const type = wide(r) ? vectorType[r.view.dtype] : elementType(r.view.dtype);
    return (k < outputs.length ? writes : reads)(nameOf(k), type, r.operand);
  });
  const params: { [name: string]: 'u32' } = { n: 'u32' };
  for (let i = 1; i < rank; i++) params[`d${i}`] = 'u32';
  readers.forEach((r, k) => {
    if (!strided(r)) return;
    params[`b_${nameOf(k)}`] = 'u32';
    for (let i = 0; i < rank; i++) params[`s_${nameOf(k)}_${i}`] = 'u32';
    if (vector && r.access === 'any') params[`t_${nameOf(k)}`] = 'u32';
  });

  const lane = laneOf(chain);
  for (const [constant] of constantsOf(lane)) params[constant] = 'u32';
  const declare = laneText(lane);
  const many = outputs.length > 1;

  // Where element (or four) i of each operand is.
  const lines: string[] = [];
  if (rank > 0 && readers.some(strided)) {
    let rest = 'i';
    for (let a = rank - 1; a > 0; a--) {
      lines.push(`let c${a} = ${rest} % p.d${a}; let q${a} = ${rest} / p.d${a};`);
      rest = `q${a}`;
    }
    lines.push(`let c0 = ${rest};`);
  }
  const places = readers.map((r, k) => {
    if (r.access === 'scalar' && !strided(r)) return '0u';
    if (!strided(r)) return 'i';
    const name = nameOf(k);
    const terms = Array.from({ length: rank }, (_, a) => `c${a} * p.s_${name}_${a}`);
    return [`p.b_${name}`, ...terms].join(' + ');
  });
  readers.forEach((_, k) => lines.push(`let i_${nameOf(k)} = ${places[k]};`));
  const lanes = vector ? ['x', 'y', 'z', 'w'] : [''];
  inputs.forEach((_, i) => {
    const r = readers[outputs.length + i];
    const at = `i_x${i}`;
    if (wide(r)) lines.push(`let w${i} = x${i}(${at});`);
    else if (vector && r.access === 'any') {
      lanes.forEach((l, j) => lines.push(`let w${i}_${l} = x${i}(${at} + ${j}u * p.t_x${i});`));
    } else lines.push(`let w${i} = x${i}(${at});`);
  });
  const argument = (i: number, lane: string): string => {
    const r = readers[outputs.length + i];
    if (!vector) return `w${i}`;
    if (r.access === 'any') return `w${i}_${lane}`;
    if (!wide(r)) return `w${i}`;
    return r.view.dtype === 'bool' ? `w${i}.${lane} != 0u` : `w${i}.${lane}`;
  };
  lanes.forEach((l) => lines.push(`let r${l} = lane(${inputs.map((_, i) => argument(i, l)).join(', ')});`));
  outputs.forEach((o, k) => {
    const part = (l: string): string => (many ? `r${l}.r${k}` : `r${l}`);
    const stored = (l: string): string =>
      o.view.dtype === 'bool' && vector ? `select(0u, 1u, ${part(l)})` : part(l);
    const type = o.view.dtype === 'bool' ? 'u32' : wgslType[o.view.dtype];
    const value = vector ? `vec4<${type}>(${lanes.map(stored).join(', ')})` : part('');
    lines.push(`set_y${k}(i_y${k}, ${value});`);
  });
  return shader({
    name: chain.name,
    operands,
    params,
    workgroup: WORKGROUP,
    declare,
    main: `for (var k = 0u; k < ${EACH}u; k++) {
  let i = (group * ${EACH}u + k) * WG + lix;
  if (i < p.n) {
    ${lines.join('\n    ')}
  }
}`,
    alias,
  });
}
