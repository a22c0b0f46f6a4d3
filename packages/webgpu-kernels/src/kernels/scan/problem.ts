import type { GpuView } from '@seq/tensor/engine';
import { sizeOf } from '@seq/tensor/engine';
import { mergeAxes, placeParams, placeText, placeValues } from '../axes.js';

/** A scan along one axis: running sums, or h_t = a_t h_{t−1} + x_t. */
export interface Scan {
  readonly kind: 'sum' | 'linear';
  readonly axis: number;
  readonly reverse: boolean;
  /** Sums leave their own element out. */
  readonly exclusive: boolean;
  /** The factor of a step stands at the position before it. */
  readonly shifted: boolean;
  readonly x: GpuView;
  readonly a: GpuView | null;
  readonly initial: GpuView | null;
  readonly out: GpuView;
  /** Operand numbers; the first factor's is 0 where there is one. */
  readonly inputs: number;
  readonly alias: readonly number[];
}

/** One pass over all; or the sums of chunks, their scan, and the chunks again from where they begin. */
export type Phase = 'whole' | 'sums' | 'carries' | 'chunks';

/** What the text of a scan depends on. */
export interface ScanShape {
  readonly kind: Scan['kind'];
  readonly type: 'f32' | 'i32' | 'u32';
  readonly phase: Phase;
  readonly exclusive: boolean;
  readonly shifted: boolean;
  readonly initial: boolean;
  readonly inputs: number;
  readonly ranks: readonly number[];
  readonly alias: readonly number[];
}

const names = ['o', 'x', 'a', 'h'] as const;

/** Columns and steps of a scan, and how its operands are reached. */
export interface Reach {
  readonly columns: number;
  readonly n: number;
  readonly ranks: readonly number[];
  /** Values of the parameters that `reachParams` names. */
  readonly values: readonly number[];
}

/** Finds the places of a scan's operands: for each a step along the axis, the first step, and its column. */
export function reachOf({ axis, reverse, x, a, initial, out }: Scan): Reach {
  const n = out.shape[axis];
  const rest = [...out.shape.keys()].filter((i) => i !== axis);
  const views = [out, x, a];
  const places = [
    ...views.map((v) => v && mergeAxes(v, rest)),
    initial && mergeAxes(initial, [...initial.shape.keys()]),
  ];
  return {
    columns: sizeOf(out.shape) / n,
    n,
    ranks: places.map((p) => p?.sizes.length ?? 0),
    values: places.flatMap((p, i) => {
      const stride = views[i]?.strides[axis] ?? 0;
      return [
        (reverse ? -stride : stride) >>> 0,
        (reverse ? (n - 1) * stride : 0) >>> 0,
        ...(p === null ? [] : placeValues(p)),
      ];
    }),
  };
}

/** Parameters of the places: element t of a column of x is `x(x_at(column) + p.x_first + t * p.x_t)`. */
export function reachParams(ranks: readonly number[]): { [name: string]: 'u32' } {
  const params: { [name: string]: 'u32' } = {};
  names.forEach((name, i) => {
    params[`${name}_t`] = 'u32';
    params[`${name}_first`] = 'u32';
    Object.assign(params, placeParams(`${name}_at`, ranks[i]));
  });
  return params;
}

/** The functions `o_at`, `x_at`, `a_at`, `h_at` of a column. */
export function reachText(ranks: readonly number[]): string {
  return names.map((name, i) => placeText(`${name}_at`, ranks[i])).join('\n');
}

/**
 * A float that no compiler looks behind (the parameter is 0, which it cannot know), and one for what rounding took:
 * 0 where that is no number because a sum is infinite.
 */
export const roundedText = `fn rounded(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ p.nought); }
fn finite(x: f32) -> f32 { return select(x, 0.0, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u); }`;
