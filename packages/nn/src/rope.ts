import {
  apply,
  arange,
  concat,
  defineOp,
  DTypeError,
  OptionError,
  scope,
  ShapeError,
  show,
  sizeOf,
  stack,
  tensor,
} from '@seq/tensor';
import type { Aval, Device, DType, Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';
import { ropeCpu } from './rope-kernel.js';

const gpu = /* @__PURE__ */ lazyKernels('rope', () => import('./rope-webgpu.js'));

/** Options of `rope`. */
export interface RopeOptions {
  /** Wavelengths run from 2π to about 2π · base. */
  readonly base?: number;
  /** i32 [T] or [B, T]; `0 … T − 1` plus `offset` if absent. */
  readonly positions?: Tensor;
  /** Position of the first token: a number, an i32 scalar, or i32 [B]. Data, so that one plan serves every position. */
  readonly offset?: Tensor | number;
  /** False pairs (i, i + R/2) as GPT-NeoX and Llama on Hugging Face do, true pairs (2i, 2i + 1) as GPT-J and the original Llama do. */
  readonly interleaved?: boolean;
  /** R, how many leading channels of each head turn; even, at most D. */
  readonly rotaryDim?: number;
}

interface RopeAttrs {
  readonly interleaved: boolean;
}

/** The two halves of the pairs among the first R channels: [B, T, H, R/2] each. */
function pairs(x: Tensor, half: number, interleaved: boolean): [Tensor, Tensor] {
  if (!interleaved) return [x.slice(-1, 0, half), x.slice(-1, half, 2 * half)];
  const split = x.slice(-1, 0, 2 * half).reshape([...x.shape.slice(0, -1), half, 2]);
  return [split.at(0, -1), split.at(1, -1)];
}

/** Turns pairs by given angles: inputs x [B, T, H, D], cos and sin [1 or B, T, R/2]. */
export const ropeOp: Op<RopeAttrs> = /* @__PURE__ */ defineOp<RopeAttrs>({
  name: 'rope',
  infer([x, cos, sin]: readonly Aval[]) {
    if (x.shape.length !== 4) {
      throw new ShapeError(`rope: x must be [B, T, H, D], got ${show(x.shape)}. In a step use T = 1.`);
    }
    if (x.dtype !== 'f32' && x.dtype !== 'f64') {
      throw new DTypeError(`rope: x must be f32 or f64, got ${x.dtype}. Cast it first.`);
    }
    const [B, T, , D] = x.shape;
    const [b, t, half] = cos.shape;
    if (cos.shape.length !== 3 || (b !== B && b !== 1) || t !== T || 2 * half > D) {
      throw new ShapeError(
        `rope: cosines must be [1 or B, T, R/2] with B = ${B}, T = ${T}, R ≤ ${D}, got ${show(cos.shape)}.`,
      );
    }
    if (sin.shape.some((n, i) => n !== cos.shape[i]) || cos.dtype !== x.dtype || sin.dtype !== x.dtype) {
      throw new ShapeError(
        `rope: sines must match cosines, ${show(cos.shape)} ${x.dtype}, got ${show(sin.shape)} ${sin.dtype}.`,
      );
    }
    return { shape: x.shape, dtype: x.dtype };
  },
  cpu: ropeCpu,
  webgpu: () => gpu().ropeKernels(),
  reference([x, cos, sin], { interleaved }) {
    const half = cos.shape[2];
    const [a, b] = pairs(x, half, interleaved);
    const [c, s] = [cos.expandDims(2), sin.expandDims(2)]; // [1 or B, T, 1, R/2]
    const first = a.mul(c).sub(b.mul(s));
    const second = b.mul(c).add(a.mul(s));
    const turned = interleaved
      ? stack([first, second], -1).reshape([...x.shape.slice(0, -1), 2 * half])
      : concat([first, second], -1);
    const D = x.shape[3];
    return 2 * half === D ? turned : concat([turned, x.slice(-1, 2 * half, D)], -1);
  },
  vjp({ inputs: [x, cos, sin], cotangents, attrs, needs }) {
    const dy = cotangents[0]!;
    const dx = needs[0] ? (apply(ropeOp, [dy, cos, sin.neg()], attrs) as Tensor) : null;
    if (!needs[1] && !needs[2]) return [dx, null, null];
    const half = cos.shape[2];
    const [a, b] = pairs(x, half, attrs.interleaved);
    const [da, db] = pairs(dy, half, attrs.interleaved);
    const shared = cos.shape[0] === 1;
    const fold = (t: Tensor): Tensor => (shared ? t.sum([0, 2]).expandDims(0) : t.sum(2));
    return [
      dx,
      needs[1] ? fold(da.mul(a).add(db.mul(b))) : null,
      needs[2] ? fold(db.mul(a).sub(da.mul(b))) : null,
    ];
  },
  cost: ([x, cos]) => ({ flops: 6 * cos.shape[2] * sizeOf(x.shape.slice(0, 3)) }),
});

/**
 * Rotary position embedding: turns pairs of channels by angles that grow with the position, so that
 * products of queries and keys depend on distances only.
 *
 *   (a, b) ↦ (a cos θ − b sin θ, b cos θ + a sin θ),   θ = position · base^(−2i/R),   i = 0 … R/2 − 1
 *
 * Cost: 3 flops per turned element, and 3 T R/2 for the table (B times that where rows have positions of their own).
 *
 * @param x          [B, T, H, D]  queries or keys
 * @param positions  [T] or [B, T]  i32, or `offset`
 * @returns          [B, T, H, D]
 * @throws ShapeError | DTypeError  x or positions that do not fit
 * @throws OptionError  rotaryDim odd or above D, base ≤ 0, positions together with offset
 * @see Su et al. 2021, arXiv:2104.09864, eq. 34
 */
export function rope(
  x: Tensor,
  { base = 10000, positions, offset, interleaved = false, rotaryDim }: RopeOptions = {},
): Tensor {
  if (x.ndim !== 4) {
    throw new ShapeError(`rope: x must be [B, T, H, D], got ${show(x.shape)}. In a step use T = 1.`);
  }
  const [B, T, , D] = x.shape;
  const R = rotaryDim ?? D;
  if (R > D) throw new OptionError(`rope: rotaryDim must be at most headDim D = ${D}, got ${R}.`);
  if (positions && offset !== undefined) {
    throw new OptionError(
      'rope: positions and offset exclude each other, got both. Add the offset to the positions.',
    );
  }
  return scope(() => {
    const at = positions ?? ropePositions(B, T, offset ?? 0, x.device);
    const fits = at.ndim === 1 ? at.shape[0] === T : at.ndim === 2 && at.shape[0] === B && at.shape[1] === T;
    if (!fits) {
      throw new ShapeError(
        `rope: positions must be [T] = [${T}] or [B, T] = [${B}, ${T}], got ${show(at.shape)}.`,
      );
    }
    const [cos, sin] = ropeTable(at, { base, rotaryDim: R, dtype: x.dtype });
    const rows = (t: Tensor): Tensor => (t.ndim === 2 ? t.expandDims(0) : t);
    return apply(ropeOp, [x, rows(cos), rows(sin)], { interleaved }) as Tensor;
  });
}

/** [T] or [B, T]: positions `offset … offset + T − 1`. */
function ropePositions(B: number, T: number, offset: Tensor | number, device: Device): Tensor {
  const o = { dtype: 'i32', device } as const;
  if (typeof offset === 'number') return arange(offset, offset + T, 1, o);
  if (offset.dtype !== 'i32') {
    throw new DTypeError(`rope: offset must be i32, got ${offset.dtype}.`);
  }
  const first = arange(0, T, 1, o);
  if (offset.ndim === 0) return first.add(offset);
  if (offset.ndim === 1 && offset.shape[0] === B) return first.reshape([1, T]).add(offset.reshape([B, 1]));
  throw new ShapeError(`rope: offset must be a scalar or [B] = [${B}], got ${show(offset.shape)}.`);
}

/**
 * Cosines and sines of the angles that `rope` turns by.
 *
 *   θ = position · base^(−2i/R)
 *
 * @param positions  [...]  i32
 * @returns          cos and sin, [..., R/2] each
 * @throws DTypeError  positions that are not i32; OptionError  rotaryDim not even and positive, base ≤ 0
 */
export function ropeTable(
  positions: Tensor,
  {
    base = 10000,
    rotaryDim: R,
    dtype = 'f32',
  }: { readonly base?: number; readonly rotaryDim: number; readonly dtype?: DType },
): [cos: Tensor, sin: Tensor] {
  if (positions.dtype !== 'i32') {
    throw new DTypeError(`rope: positions must be i32, got ${positions.dtype}.`);
  }
  if (!Number.isInteger(R) || R < 2 || R % 2 !== 0) {
    throw new OptionError(`rope: rotaryDim must be even and positive, got ${R}.`);
  }
  if (!(base > 0)) throw new OptionError(`rope: base must be positive, got ${base}.`);
  return scope(() => {
    const frequencies = Array.from({ length: R / 2 }, (_, i) => base ** ((-2 * i) / R));
    const angles = positions
      .cast(dtype)
      .expandDims(-1)
      .mul(tensor(frequencies, { dtype, device: positions.device }));
    return [angles.cos(), angles.sin()];
  });
}
