import { ShapeError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

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
  if (!x || x.shape.join() === shape.join()) return;
  throw new ShapeError(`${fn}: ${name} must be ${letters} = ${show(shape)}, got ${show(x.shape)}. ${remedy}`);
}
