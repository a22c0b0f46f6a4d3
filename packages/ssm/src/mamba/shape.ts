import { DTypeError, ShapeError, show } from '@seq/tensor';
import type { Aval } from '@seq/tensor';

/** What a scan is told beside its tensors, and which of the optional ones follow u, delta, A, B, C, h0. */
export interface ScanAttrs {
  readonly softplus: boolean;
  readonly D: boolean;
  readonly z: boolean;
  readonly bias: boolean;
}

/** Sizes of a scan. */
export interface ScanSizes {
  readonly B: number;
  readonly T: number;
  readonly C: number;
  readonly N: number;
  /** Groups of channels that share B and C. */
  readonly G: number;
  /** Whether B and C change with the position; else they are [C, N]. */
  readonly varB: boolean;
  readonly varC: boolean;
  /** Positions of a chunk, and how many there are. */
  readonly L: number;
  readonly K: number;
}

/** Positions between two states that are kept for the gradient: a state of N numbers a chunk, not one a position. */
export function chunkLength(N: number): number {
  return Math.max(8, Math.min(64, 2 ** Math.floor(Math.log2(1024 / Math.max(1, N)))));
}

/** Sizes from the first five operands: u [B, T, C], delta, A [C, N], B and C [B, T, G, N] or [C, N]. */
export function scanSizes(shapes: readonly { readonly shape: readonly number[] }[]): ScanSizes {
  const [u, , A, Bs, Cs] = shapes;
  const [B, T, C] = u.shape;
  const N = A.shape[1];
  const [varB, varC] = [Bs.shape.length === 4, Cs.shape.length === 4];
  const G = varB ? Bs.shape[2] : varC ? Cs.shape[2] : 1;
  const L = chunkLength(N);
  return { B, T, C, N, G, varB, varC, L, K: Math.max(1, Math.ceil(T / L)) };
}

/** Operands of a scan by name; those that are not there are undefined. */
export interface ScanOperands<X> {
  readonly u: X;
  readonly delta: X;
  readonly A: X;
  readonly Bs: X;
  readonly Cs: X;
  readonly h0: X;
  readonly D: X | undefined;
  readonly z: X | undefined;
  readonly bias: X | undefined;
  /** What stands behind all these. */
  readonly rest: readonly X[];
}

/** Names the operands of a scan. */
export function operandsOf<X>(list: readonly X[], attrs: ScanAttrs): ScanOperands<X> {
  const [u, delta, A, Bs, Cs, h0, ...more] = list;
  const take = (there: boolean): X | undefined => (there ? more.shift() : undefined);
  const [D, z, bias] = [take(attrs.D), take(attrs.z), take(attrs.bias)];
  return { u, delta, A, Bs, Cs, h0, D, z, bias, rest: more };
}

/** The shape rule of the scan: what does not fit is refused with the names of the public function. */
export function checkScan(list: readonly Aval[], attrs: ScanAttrs): ScanSizes {
  const { u, delta, A, Bs, Cs, h0, D, z, bias } = operandsOf(list, attrs);
  const where = 'selectiveScan';
  if (u.shape.length !== 3 || A.shape.length !== 2 || A.shape[0] !== u.shape[2])
    throw new ShapeError(
      `${where}: u must be [B, T, C] and A [C, N] with the same C, got u ${show(u.shape)}, A ${show(A.shape)}.`,
    );
  const sizes = scanSizes([u, delta, A, Bs, Cs]);
  const { B, T, C, N, G, varB, varC } = sizes;
  const one = (name: string, x: Aval | undefined, letters: string, want: readonly number[]): void => {
    if (x && show(x.shape) !== show(want))
      throw new ShapeError(`${where}: ${name} must be ${letters} = ${show(want)}, got ${show(x.shape)}.`);
  };
  one('delta', delta, '[B, T, C]', [B, T, C]);
  one('B', Bs, varB ? '[B, T, G, N]' : '[C, N]', varB ? [B, T, G, N] : [C, N]);
  one('C', Cs, varC ? '[B, T, G, N]' : '[C, N]', varC ? [B, T, G, N] : [C, N]);
  one('h0', h0, '[B, C, N]', [B, C, N]);
  one('D', D, '[C]', [C]);
  one('z', z, '[B, T, C]', [B, T, C]);
  one('deltaBias', bias, '[C]', [C]);
  if (G < 1 || C % G !== 0)
    throw new ShapeError(
      `${where}: the groups of B and C must divide the channels C = ${C}, got ${G} groups. Give [B, T, G, N].`,
    );
  const types = [...new Set(list.map((x) => x.dtype))];
  if (types.length !== 1 || (types[0] !== 'f32' && types[0] !== 'f64'))
    throw new DTypeError(
      `${where}: all tensors must be f32 or all f64, got ${types.join(' and ')}. Use cast().`,
    );
  return sizes;
}
