import type { Tensor } from '../tensor.js';
import { OptionError, ShapeError, show } from '../engine/errors.js';
import { normalizeAxis } from '../engine/layout.js';
import { scope } from '../scope.js';
import { treeLeaves, treeMap } from '../tree.js';
import { concat, stack } from './shape.js';

/** Options of `associativeScan`. */
export interface AssociativeScanOptions {
  /** Axis to scan along, of every leaf. Default 0. */
  axis?: number;
  /** From the last element to the first. Default false. */
  reverse?: boolean;
}

/**
 * All prefixes of an associative operation: y_t = x_0 ∘ x_1 ∘ … ∘ x_t, in 2 log₂ T calls of `combine`.
 *
 * Pairs are combined, their prefixes found by the same rule, and the positions between filled in (Blelloch
 * 1990, "Prefix sums and their applications"): about 2 T combinations in all. The operation need not commute.
 *
 * @param combine  (left, right) ↦ left ∘ right on trees like `elems` with any number of elements along the
 *                 axis, element by element; when `reverse`, left is what comes from the end
 * @param elems    tree of tensors with equal sizes T ≥ 0 along the axis
 * @returns        tree like `elems`
 * @throws ShapeError, OptionError
 */
export function associativeScan<E>(
  combine: (left: E, right: E) => E,
  elems: E,
  { axis = 0, reverse = false }: AssociativeScanOptions = {},
): E {
  const leaves = treeLeaves(elems);
  if (leaves.length === 0)
    throw new OptionError('associativeScan: elems must hold at least one tensor, got none.');
  const axes = new Map(leaves.map((x) => [x, normalizeAxis('associativeScan', axis, x.shape.length)]));
  const T = leaves[0].shape[axes.get(leaves[0])!];
  for (const x of leaves) {
    if (x.shape[axes.get(x)!] === T) continue;
    throw new ShapeError(
      `associativeScan: all elems must have ${T} elements along axis ${axis}, got ${show(x.shape)}. Make the sizes equal.`,
    );
  }
  // Leaves may have unlike ranks, so a negative axis is resolved leaf by leaf.
  const along = (x: Tensor): number => (axis < 0 ? axis + x.shape.length : axis);
  const each = (f: (x: Tensor, axis: number, ...others: Tensor[]) => Tensor, tree: E, ...rest: E[]): E =>
    treeMap((x, ...others) => f(x, along(x), ...others), tree, ...rest);
  const checked = (left: E, right: E): E => {
    const result = combine(left, right);
    const [got, want] = [treeLeaves(result), treeLeaves(right)];
    if (got.length !== want.length || got.some((x, i) => show(x.shape) !== show(want[i].shape))) {
      const shapes = (list: Tensor[]): string => list.map((x) => show(x.shape)).join(', ');
      throw new ShapeError(
        `associativeScan: combine must keep the structure and shapes ${shapes(want)}, got ${shapes(got)}.`,
      );
    }
    return result;
  };
  const prefixes = (tree: E, n: number): E => {
    if (n < 2) return tree;
    const every = (from: number, to: number): E => each((x, a) => x.slice(a, from, to, 2), tree);
    const pairs = checked(every(0, n - 1), every(1, n));
    const odd = prefixes(pairs, n >> 1);
    const first = each((x, a) => x.slice(a, 0, 1), tree);
    if (n === 2) return each((x, a, y) => concat([x, y], a), first, odd);
    const before = n % 2 === 0 ? each((x, a) => x.slice(a, 0, (n >> 1) - 1), odd) : odd;
    const later = checked(before, every(2, n));
    const even = each((x, a, y) => concat([x, y], a), first, later);
    return each(interleave, even, odd);
  };
  return scope(() => {
    if (!reverse) return treeMap((x) => x.alias(), prefixes(elems, T));
    const turned = each((x, a) => x.flip(a), elems);
    return each((x, a) => x.flip(a), prefixes(turned, T));
  });
}

/** e0 o0 e1 o1 …; `even` may have one element more. */
function interleave(even: Tensor, axis: number, odd: Tensor): Tensor {
  const n = odd.shape[axis];
  const both = stack([even.slice(axis, 0, n), odd], axis + 1);
  const woven = both.reshape(odd.shape.map((d, i) => (i === axis ? 2 * n : d)));
  return even.shape[axis] === n ? woven : concat([woven, even.slice(axis, n)], axis);
}
