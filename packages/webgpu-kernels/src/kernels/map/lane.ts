import type { DType, Op } from '@seq/tensor/engine';
import { mathOf } from '../../wgsl/math.js';
import { wordOf } from '../creation.js';
import { expressions } from './expressions.js';

/** The type of a value in the text, by element type. */
export const wgslType: { readonly [D in DType]: string } = {
  f32: 'f32',
  f64: 'f32',
  f16: 'f32',
  i32: 'i32',
  u32: 'u32',
  bool: 'bool',
};

/**
 * One op of a chain: `args` number the values it takes, inputs first, then the steps before it. The element types
 * of its arguments follow from what they are.
 */
export interface Step {
  readonly op: Op;
  readonly args: readonly number[];
  readonly dtype: DType;
  /** A number in place of an op: it becomes a parameter of the shader. */
  readonly constant?: number | null;
}

/** A value by its number. */
export interface Numbered {
  readonly id: number;
  readonly dtype: DType;
}

/** What becomes of one element. */
export interface Lane {
  /** Values that it is given. */
  readonly given: readonly Numbered[];
  /** Steps that compute the values behind number `first`. */
  readonly steps: readonly Step[];
  readonly first: number;
  readonly results: readonly Numbered[];
  /** Begins the names of the parameters that hold constants. */
  readonly prefix: string;
}

export const isConstant = (s: Step): s is Step & { readonly constant: number } =>
  typeof s.constant === 'number';

/** Names and words of the parameters that hold constants. */
export function constantsOf({
  steps,
  prefix,
}: Pick<Lane, 'steps' | 'prefix'>): [name: string, word: number][] {
  return steps.flatMap((s, i) => (isConstant(s) ? [[`${prefix}${i}`, wordOf(s.constant, s.dtype)]] : []));
}

/** What the text of a lane depends on. */
export function laneKey({ steps, results }: Pick<Lane, 'steps' | 'results'>): string {
  const step = (s: Step): string => `${isConstant(s) ? '' : s.op.name}${s.args.join()}${s.dtype}`;
  return `${steps.map(step).join()};${results.map((r) => r.id).join()}`;
}

/** The text of the function `lane`: one result, or a `Result` with fields r0, r1, …. */
export function laneText({ given, steps, first, results, prefix }: Lane): string {
  const types = new Map(given.map((g) => [g.id, g.dtype]));
  const body = steps.map((s, i) => {
    const id = first + i;
    types.set(id, s.dtype);
    if (isConstant(s)) {
      const word =
        s.dtype === 'bool' ? `p.${prefix}${i} != 0u` : `bitcast<${wgslType[s.dtype]}>(p.${prefix}${i})`;
      return `  let v${id} = ${word};`;
    }
    const text = expressions.get(s.op)!(
      s.args.map((a) => `v${a}`),
      s.args.map((a) => types.get(a)!),
      s.dtype,
    );
    const last = results.some((r) => r.id === id);
    return `  let v${id} = ${s.dtype === 'f16' && !last ? `quantizeToF16(${text})` : text};`;
  });
  const many = results.length > 1;
  const values = results.map((r) => `v${r.id}`);
  return [
    mathOf(body.join('\n')),
    many ? `struct Result { ${results.map((r, i) => `r${i}: ${wgslType[r.dtype]}`).join(', ')} }` : '',
    `fn lane(${given.map((g) => `v${g.id}: ${wgslType[g.dtype]}`).join(', ')}) -> ${many ? 'Result' : wgslType[results[0].dtype]} {`,
    ...body,
    `  return ${many ? `Result(${values.join(', ')})` : values[0]};`,
    '}',
  ].join('\n');
}
