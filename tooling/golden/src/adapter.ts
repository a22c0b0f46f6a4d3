import type { Device, DType, Tensor } from '@seq/tensor';
import { isFloatArray, toTensor } from '@seq/testing/golden';
import type { GoldenCase, HostArray } from '@seq/testing/golden';

/** Something a case asks for that the adapter does not know; the case counts as unsupported, not as passed. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}

/** Tensors of a case under its own names (`in.x`, `param.weight`); reading one marks it as used. */
export interface Inputs {
  (name: string): Tensor;
  /** True when the case has it; asking counts as using it. */
  has(name: string): boolean;
  /** All `param.*` by the name after the prefix. */
  params(): Record<string, Tensor>;
}

/** What a case is about, once its options are read. */
export interface Computation {
  /** `out.*` without the prefix, differentiable in every float input. */
  outputs(inputs: Inputs): Record<string, Tensor>;
  /** `state.*` without the prefix: the same by the step form. */
  states?(inputs: Inputs): Record<string, Tensor>;
}

/** Translates one family to the library: options and names in, calls of public functions out. */
export type Adapter = (options: Options, golden: GoldenCase) => Computation;

/** Options of a case. Each must be read, or the case is unsupported: an option is never ignored. */
export interface Options {
  /** An option of one kind; `otherwise` where the case does not name it. `null` counts as not named. */
  number(name: string, otherwise: number): number;
  flag(name: string, otherwise: boolean): boolean;
  numbers(name: string, otherwise: readonly number[]): readonly number[];
  text(name: string, otherwise: string | null): string | null;
  /** True when the case names the option and it is not null. */
  given(name: string): boolean;
  /** An option that explains; it must have a value the adapter knows. */
  says(name: string, known: RegExp): void;
  /** Names that nobody has read. */
  unread(): string[];
}

/** Reader of a case's options. */
export function optionsOf(golden: GoldenCase): Options {
  const read = new Set<string>();
  const take = <T>(name: string, kind: string, fits: (v: unknown) => v is T, otherwise: T): T => {
    read.add(name);
    const value = golden.options[name];
    if (value === undefined || value === null) return otherwise;
    if (fits(value)) return value;
    throw new Unsupported(`option ${name} must be ${kind}, got ${JSON.stringify(value)}`);
  };
  return {
    number: (name, otherwise) => take(name, 'a number', (v): v is number => typeof v === 'number', otherwise),
    flag: (name, otherwise) =>
      take(name, 'true or false', (v): v is boolean => typeof v === 'boolean', otherwise),
    numbers: (name, otherwise) =>
      take(
        name,
        'a list of numbers',
        (v): v is readonly number[] => Array.isArray(v) && v.every((n) => typeof n === 'number'),
        otherwise,
      ),
    text: (name, otherwise) =>
      take(name, 'a word', (v): v is string | null => typeof v === 'string', otherwise),
    given: (name) => golden.options[name] !== undefined && golden.options[name] !== null,
    says(name, known) {
      read.add(name);
      const value = golden.options[name];
      if (value === undefined || value === null) return;
      if (typeof value !== 'string' || !known.test(value))
        throw new Unsupported(`option ${name} is ${JSON.stringify(value)}, known is ${known.source}`);
    },
    unread: () => Object.keys(golden.options).filter((name) => !read.has(name)),
  };
}

/** Where a case is computed. */
export interface On {
  readonly device: Device;
  readonly dtype: DType;
}

/** True for what a case feeds in: inputs and parameters, but not the cotangents. */
export function isInput(name: string): boolean {
  return (name.startsWith('in.') && !name.startsWith('in.G.')) || name.startsWith('param.');
}

/** Inputs of a case over given tensors, and the names that nobody has read. */
export function inputsOf(
  golden: GoldenCase,
  tensors: ReadonlyMap<string, Tensor>,
): { inputs: Inputs; unread(): string[] } {
  const read = new Set<string>();
  const get = (name: string): Tensor => {
    read.add(name);
    const tensor = tensors.get(name);
    if (!tensor) throw new Unsupported(`the case has no ${name}`);
    return tensor;
  };
  const inputs = Object.assign(get, {
    has(name: string): boolean {
      read.add(name);
      return tensors.has(name);
    },
    params(): Record<string, Tensor> {
      const names = [...tensors.keys()].filter((name) => name.startsWith('param.'));
      return Object.fromEntries(names.map((name) => [name.slice('param.'.length), get(name)]));
    },
  });
  return {
    inputs,
    unread: () => [...golden.tensors.keys()].filter((name) => isInput(name) && !read.has(name)),
  };
}

/** A tensor of the case on a device; floats take the dtype asked for. */
export function place(host: HostArray, on: On): Tensor {
  return toTensor(host, on);
}

export { isFloatArray };
