import { ShapeError, show } from './engine/errors.js';

/** Numbers or booleans nested to any depth, all rows equally long. */
export type Nested = number | boolean | readonly Nested[];

/** Row-major elements as nested arrays of a shape. */
export function toNested(data: ArrayLike<number>, shape: readonly number[]): Nested {
  let at = 0;
  const build = (axis: number): Nested =>
    axis === shape.length ? data[at++] : Array.from({ length: shape[axis] }, () => build(axis + 1));
  return build(0);
}

/** Shape and elements of nested arrays. */
export function fromNested(data: Nested): { shape: number[]; flat: number[]; bool: boolean } {
  const shape: number[] = [];
  for (let d = data; Array.isArray(d); d = d[0] as Nested) {
    shape.push(d.length);
    if (d.length === 0) break;
  }
  const flat: number[] = [];
  let bools = 0;
  const walk = (d: Nested, axis: number): void => {
    if (Array.isArray(d)) {
      if (axis >= shape.length || d.length !== shape[axis]) {
        throw new ShapeError(
          `tensor: nested arrays must be rectangular, got a row of ${d.length} where the shape is ${show(shape)} (axis ${axis}).`,
        );
      }
      for (const e of d as readonly Nested[]) walk(e, axis + 1);
    } else {
      if (axis !== shape.length) {
        throw new ShapeError(
          `tensor: nested arrays must be rectangular, got a number at depth ${axis} where the shape is ${show(shape)}.`,
        );
      }
      if (typeof d === 'boolean') bools++;
      flat.push(Number(d));
    }
  };
  walk(data, 0);
  return { shape, flat, bool: bools > 0 && bools === flat.length };
}
