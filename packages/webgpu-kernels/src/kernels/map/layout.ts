import type { GpuView } from '@seq/tensor/engine';
import { stridesOf } from '@seq/tensor/engine';

/** A loop nest over operands of one shape, neighbouring axes merged where all operands allow it. */
export interface Nest {
  /** Sizes, outermost first; none when there is a single element. */
  readonly sizes: readonly number[];
  /** For each operand a stride per axis, in elements. */
  readonly strides: readonly (readonly number[])[];
}

/**
 * Merges the axes of operands that are walked together.
 *
 * @param keep  an axis that is not merged with its neighbours
 */
export function collapse(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  keep: number = -1,
): Nest {
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  let kept = false;
  for (let i = shape.length - 1; i >= 0; i--) {
    const d = shape[i];
    if (d === 1 && i !== keep) continue;
    const last = sizes.length - 1;
    if (last >= 0 && i !== keep && !kept && strides.every((s, k) => s[i] === merged[k][last] * sizes[last])) {
      sizes[last] *= d;
      continue;
    }
    kept = i === keep;
    sizes.push(d);
    strides.forEach((s, k) => merged[k].push(s[i]));
  }
  return { sizes: sizes.reverse(), strides: merged.map((m) => m.reverse()) };
}

/** Strides of a view as seen from a shape that it broadcasts to. */
export function broadcastStrides(
  view: { shape: readonly number[]; strides: readonly number[] },
  shape: readonly number[],
): number[] {
  const lead = shape.length - view.shape.length;
  return shape.map((d, i) =>
    i < lead || (view.shape[i - lead] === 1 && d !== 1) ? 0 : view.strides[i - lead],
  );
}

/**
 * How an operand is read: `linear` element i is that of the result; `scalar` one element; `rows` the innermost
 * axis is contiguous and the others begin at multiples of 4; `repeat` the innermost axis repeats one element;
 * `any` everything else.
 */
export type Access = 'linear' | 'scalar' | 'rows' | 'repeat' | 'any';

/** The access of one operand of a nest; `aligned` as in `GpuView`. */
export function accessOf(nest: Nest, strides: readonly number[], aligned: number): Access {
  const dense = stridesOf(nest.sizes);
  if (strides.every((s, i) => s === dense[i]))
    return aligned % 4 === 0 || nest.sizes.length === 0 ? 'linear' : 'any';
  if (strides.every((s) => s === 0)) return 'scalar';
  const inner = strides[strides.length - 1];
  if (inner === 0) return 'repeat';
  const whole = aligned % 4 === 0 && strides.slice(0, -1).every((s) => s % 4 === 0);
  return inner === 1 && whole ? 'rows' : 'any';
}

/** An operand of a pass: a view with its number, beginning `base` elements behind the operand. */
export interface Placed {
  readonly view: GpuView;
  readonly operand: number;
  readonly base?: number;
}
