import type { Mixer } from '@seq/nn';
import { firstDifference, magnitude } from '../compare.js';
import { LawError } from '../errors.js';
import type { HostArray } from '../host.js';
import type { LawContext } from '../types.js';

/** Throws the error of a law. */
export function broken(ctx: LawContext, law: string, message: string): never {
  throw new LawError(ctx.name, law, message);
}

/** Requires a condition of a law. */
export function require(ctx: LawContext, law: string, holds: boolean, message: () => string): asserts holds {
  if (!holds) broken(ctx, law, message());
}

/** A number as messages show it. */
export function number(v: number): string {
  return Number.isFinite(v) ? String(Number(v.toPrecision(5))) : String(v);
}

const axisNames = ['b', 't', 'c', 'd', 'e'];

/** `t=64 is a chunk border …`, or nothing. */
function borderHint({ border }: LawContext, t: number): string {
  if (!border || t === 0 || t % border.size !== 0) return '';
  const kinds: Record<string, string> = { chunkSize: 'chunk', windowSize: 'window', convWidth: 'kernel' };
  return ` t=${t} is a ${kinds[border.name] ?? 'receptive field'} border (${border.name} ${border.size}): look at the carry.`;
}

/** What a comparison of sequences may differ by, and where its first position lies in the whole. */
export interface Comparison {
  /** Relative to the largest magnitude of `want`. */
  readonly tolerance: number;
  /** Position of index t=0. Default 0. */
  readonly from?: number;
  /** Dtype and the like, in brackets after the message. */
  readonly note?: string;
  /** Magnitude to measure by, if larger than that of `want`. */
  readonly scale?: number;
}

/**
 * Requires two arrays [B, T, C] (or [B, C]) to agree, and says where they first do not.
 *
 * @param what  names both sides: "forward and the fold of step"
 */
export function agree(
  ctx: LawContext,
  law: string,
  what: string,
  got: HostArray,
  want: HostArray,
  { tolerance, from = 0, note, scale = 0 }: Comparison,
): void {
  if (got.shape.join() !== want.shape.join())
    broken(ctx, law, `${what} differ in shape: [${got.shape.join(', ')}] and [${want.shape.join(', ')}].`);
  const place = note ? ` [${note}]` : '';
  if (got.data.some(Number.isNaN) && want.data.some(Number.isNaN))
    broken(ctx, law, `${what} are both NaN somewhere.${place}`);
  const size = Math.max(magnitude(want.data), scale);
  // The floor lets rounding pass where the true value is zero.
  const difference = firstDifference(got, want, { abs: tolerance * Math.max(size, 1e-6) });
  if (!difference) return;
  const index = [...difference.index];
  const t = index.length > 2 ? (index[1] += from) : -1;
  const names = index.length > 2 ? axisNames : axisNames.filter((n) => n !== 't');
  const where = index.map((i, axis) => `${names[axis] ?? `i${axis}`}=${i}`).join(', ');
  const hint = t >= 0 ? borderHint(ctx, t) : '';
  broken(
    ctx,
    law,
    `${what} differ first at ${where}: ${number(difference.got)} vs ${number(difference.want)} ` +
      `(tolerance ${tolerance}, largest difference ${number(difference.largest)} where values reach ${number(size)}).${hint}${place}`,
  );
}

/** The tolerance of two forms in a dtype. */
export function formTolerance({ tolerances }: LawContext, dtype: string): number {
  return dtype === 'f64' ? tolerances.f64 : tolerances.f32;
}

/** Width C. */
export function width(mixer: Mixer): number {
  return mixer.spec.dModel;
}

/** What a function throws; undefined when it returns. */
export function thrown(f: () => unknown): unknown {
  try {
    f();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** A thrown value as messages show it. */
export function described(error: unknown): string {
  if (error === undefined) return 'nothing';
  return error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);
}
