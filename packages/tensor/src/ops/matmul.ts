import type { Tensor } from '../tensor.js';
import { gemm, wasmGemm } from '../cpu/gemm.js';
import type { FloatArray } from '../cpu/gemm-packed.js';
import { kernelsOf } from '../cpu/kernel.js';
import { broadcastStrides, eachRow } from '../cpu/rows.js';
import { apply1 } from '../engine/apply.js';
import type { Aval } from '../engine/dtype.js';
import { sizeOf } from '../engine/dtype.js';
import { DTypeError, ShapeError, show } from '../engine/errors.js';
import { broadcastShapes, stridesOf } from '../engine/layout.js';
import type { Op } from '../engine/op.js';
import { temporaries } from '../engine/state.js';
import { defineOp } from '../engine/op.js';

function inferMatmul(a: Aval, b: Aval): Aval {
  if (a.dtype !== b.dtype || (a.dtype !== 'f32' && a.dtype !== 'f64')) {
    throw new DTypeError(
      `matmul: both operands must be f32 or both f64, got ${a.dtype} and ${b.dtype}. Use cast().`,
    );
  }
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(
      `matmul: both operands must have at least two axes, got ${show(a.shape)} and ${show(b.shape)}. Use expandDims() on a vector.`,
    );
  }
  const [m, k] = a.shape.slice(-2) as [number, number];
  const [k2, n] = b.shape.slice(-2) as [number, number];
  if (k !== k2) {
    throw new ShapeError(
      `matmul: inner sizes must agree, got ${show(a.shape)} and ${show(b.shape)} (${k} ≠ ${k2}). Did you mean b.transpose()?`,
    );
  }
  return {
    shape: [...broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n],
    dtype: a.dtype,
  };
}

/** Batched matrix product; strides of both operands are honoured, so transposed views cost nothing. */
export const matmulOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'matmul',
  strided: true,
  infer: ([a, b]) => inferMatmul(a, b),
  cpu(call) {
    const { inputs, outputs } = call;
    const [a, b, o] = [inputs[0], inputs[1], outputs[0]];
    const [M, N] = o.shape.slice(-2) as [number, number];
    const K = a.shape[a.shape.length - 1];
    const [ar, ac] = a.strides.slice(-2) as [number, number];
    const [ad, bd, od] = [a.data, b.data, o.data] as [FloatArray, FloatArray, FloatArray];
    const kernels = od instanceof Float32Array ? kernelsOf(call) : null;
    if (kernels !== null && call.packed) {
      const [x, c] = [ad.byteOffset + 4 * a.offset, od.byteOffset + 4 * o.offset];
      kernels.gemmPacked(M, N, K, x, ar, ac, call.packed, c, N, false);
      return;
    }
    const [br, bc] = b.strides.slice(-2) as [number, number];
    const rank = o.shape.length;
    const batch = o.shape.slice(0, -2);
    const full = (v: typeof a): number[] =>
      broadcastStrides(v, [...batch, ...v.shape.slice(-2)]).slice(0, rank - 2);
    // A row of this plan is one matrix product.
    const rows = {
      outer: batch,
      n: 1,
      step: [],
      strides: [stridesOf(o.shape).slice(0, rank - 2), full(a), full(b)],
    };
    if (kernels !== null) {
      if (M === 0 || N === 0) return;
      const [op, ap, bp] = [od.byteOffset, ad.byteOffset, bd.byteOffset];
      // The last axis of the batch goes to the kernels as a whole.
      const count = batch.length > 0 ? batch[batch.length - 1] : 1;
      if (count === 0) return;
      const [os, as, bs] = rows.strides.map((strides) => strides.at(-1) ?? 0);
      const outer = {
        ...rows,
        outer: batch.slice(0, -1),
        strides: rows.strides.map((strides) => strides.slice(0, -1)),
      };
      eachRow(outer, [o.offset, a.offset, b.offset], (oi, ai, bi) => {
        const [c, x, y] = [op + 4 * oi, ap + 4 * ai, bp + 4 * bi];
        if (count === 1) wasmGemm(kernels, M, N, K, x, ar, ac, y, br, bc, c, N, 1, false);
        else if (N === 1) kernels.gemmBatch(count, N, M, K, y, bs, bc, br, x, as, ac, ar, c, os, 1);
        else kernels.gemmBatch(count, M, N, K, x, as, ar, ac, y, bs, br, bc, c, os, N);
      });
      return;
    }
    eachRow(rows, [o.offset, a.offset, b.offset], (oi, ai, bi) =>
      gemm(M, N, K, ad, ai, ar, ac, bd, bi, br, bc, od, oi),
    );
  },
  vjp({ inputs, cotangents, needs }) {
    const [a, b] = [inputs[0], inputs[1]];
    const g = cotangents[0]!;
    return [needs[0] ? matmul(g, b.transpose()).sumTo(a.shape) : null, needs[1] ? weightGrad(a, g, b) : null];
  },
  cost(inputs, outputs) {
    const k = inputs[0].shape[inputs[0].shape.length - 1];
    const flops = 2 * k * sizeOf(outputs[0].shape);
    return { flops, matmulFlops: flops };
  },
});

/** aᵀ g summed to b's shape; a matrix b shared by a whole batch takes one product. */
function weightGrad(a: Tensor, g: Tensor, b: Tensor): Tensor {
  return temporaries(() => {
    const rows = (x: Tensor): Tensor =>
      x.reshape([x.size / Math.max(1, x.shape[x.shape.length - 1]) || 0, x.shape[x.shape.length - 1]]);
    if (b.shape.length === 2 && a.shape.length > 2 && a.size > 0 && g.size > 0)
      return matmul(rows(a).transpose(), rows(g));
    return matmul(a.transpose(), g).sumTo(b.shape);
  });
}

/**
 * Matrix product over the last two axes; leading axes broadcast.
 *
 * @param a [..., M, K]
 * @param b [..., K, N]  a transposed view costs nothing: `matmul(a, b.transpose())`
 * @returns [..., M, N]  products of an element added in the order of k: in f32 by WebAssembly, in double by the loops
 * @throws ShapeError, DTypeError
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  return temporaries(() => {
    if (
      b.shape.length === 2 &&
      a.shape.length > 2 &&
      a.size > 0 &&
      a.shape[a.shape.length - 1] === b.shape[0]
    ) {
      const [m, k] = [a.shape[a.shape.length - 2], a.shape[a.shape.length - 1]];
      const y = apply1(matmulOp, [a.reshape([a.size / k, k]), b], null);
      return y.reshape([...a.shape.slice(0, -2), m, b.shape[1]]);
    }
    return apply1(matmulOp, [a, b], null);
  });
}
