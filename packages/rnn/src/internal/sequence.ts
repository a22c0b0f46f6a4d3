import { arange, DTypeError, expandDims, lt, ShapeError, show, where, zerosLike } from '@seq/tensor';
import type { Aval, OpCost, Tensor } from '@seq/tensor';

/** Options that say which positions of a sequence count. */
export interface MaskOptions {
  /** [B] i32: positions that count in each row, from the front; the rest gives 0 and leaves the state as it was. */
  readonly lengths?: Tensor;
  /** [B, T] bool: true where the state is cleared before that position is read. */
  readonly resets?: Tensor;
}

/** The same as masks; absent where every position counts. */
export interface Masks {
  /** [B, T] bool, false = padding. */
  readonly valid?: Tensor;
  /** [B, T] bool. */
  readonly resets?: Tensor;
}

/** Masks at one position, in the body of a scan. */
export interface MasksNow {
  /** [B] bool */
  readonly valid: Tensor | null;
  /** [B] bool */
  readonly resets: Tensor | null;
}

/** Which masks follow the other inputs of an op. */
export interface MaskFlags {
  readonly valid: boolean;
  readonly resets: boolean;
}

/** The masks among the last inputs of an op, in the order valid, resets. */
export function maskInputs<X>(rest: readonly X[], flags: MaskFlags): { valid?: X; resets?: X } {
  return {
    ...(flags.valid ? { valid: rest[0] } : {}),
    ...(flags.resets ? { resets: rest[flags.valid ? 1 : 0] } : {}),
  };
}

/**
 * Checks one tensor's shape.
 *
 * @throws ShapeError  `fn: name must be letters = [shape], got […]. remedy`
 */
export function expectShape(
  fn: string,
  name: string,
  x: Tensor | undefined,
  letters: string,
  shape: readonly number[],
  remedy: string,
): void {
  if (x && x.shape.join() !== shape.join()) {
    throw new ShapeError(
      `${fn}: ${name} must be ${letters} = ${show(shape)}, got ${show(x.shape)}. ${remedy}`,
    );
  }
}

/**
 * Masks of a sequence of B rows and T positions.
 *
 * @throws ShapeError  lengths not [B], resets not [B, T]
 * @throws DTypeError  lengths not i32, resets not bool
 */
export function masksOf(fn: string, { lengths, resets }: MaskOptions, B: number, T: number): Masks {
  expectShape(fn, 'lengths', lengths, '[B]', [B], 'Give one length per row.');
  expectShape(fn, 'resets', resets, '[B, T]', [B, T], 'Give one flag per position.');
  if (lengths && lengths.dtype !== 'i32')
    throw new DTypeError(`${fn}: lengths must be i32, got ${lengths.dtype}. Use cast(lengths, 'i32').`);
  if (resets && resets.dtype !== 'bool')
    throw new DTypeError(`${fn}: resets must be bool, got ${resets.dtype}. Use cast(resets, 'bool').`);
  const positions = lengths && arange(0, T, 1, { dtype: 'i32', device: lengths.device });
  return {
    ...(positions ? { valid: lt(positions, expandDims(lengths, 1)) } : {}),
    ...(resets ? { resets } : {}),
  };
}

/** y [B, T, H] where valid, 0 in the padding. */
export function hidePadding(y: Tensor, valid: Tensor | undefined): Tensor {
  return valid ? where(expandDims(valid, -1), y, zerosLike(y)) : y;
}

/** h [B, H], with the rows of zero where `resets` [B] says so. */
export function clearWhere(h: Tensor, resets: Tensor | null): Tensor {
  return resets ? where(expandDims(resets, 1), zerosLike(h), h) : h;
}

/** @throws DTypeError  unless all are f32, or all f64 */
export function oneFloatType(fn: string, inputs: readonly Aval[]): void {
  const types = [...new Set(inputs.map((x) => x.dtype))];
  if (types.length !== 1 || (types[0] !== 'f32' && types[0] !== 'f64'))
    throw new DTypeError(
      `${fn}: inputs, weights and states must be all f32 or all f64, got ${types.join(' and ')}. Use cast().`,
    );
}

/** Cost of a time loop: per position products with matrices of `weights` elements in all, and `perUnit` elementwise operations on each of H units. */
export function loopCost(positions: number, weights: number, units: number, perUnit: number): OpCost {
  const matmulFlops = 2 * positions * weights;
  return { flops: matmulFlops + positions * units * perUnit, matmulFlops };
}

/** Elements of a matrix. */
export function matrixSize({ shape }: Aval): number {
  return shape[0] * shape[1];
}

/** The members that are there: the inputs of an op whose last ones are optional. */
export function present<X>(list: readonly (X | undefined)[]): X[] {
  return list.filter((x): x is X => x !== undefined);
}
