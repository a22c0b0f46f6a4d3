import {
  apply,
  cast,
  defineOp,
  DTypeError,
  minimum,
  mul,
  OptionError,
  scope,
  ShapeError,
  sizeOf,
  treeEntries,
  treeFromEntries,
  treeLeaves,
} from '@seq/tensor';
import type { Op, Tensor, Tree } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';

const gpu = /* @__PURE__ */ lazyKernels('clip', () => import('./norm-webgpu.js'));

/** Σ x² over all inputs, accumulated in f64 on the CPU. */
const sumSquaresOp: Op<null> = /* @__PURE__ */ defineOp<null>({
  name: 'sumSquares',
  infer(inputs) {
    const { dtype } = inputs[0];
    if (dtype !== 'f32' && dtype !== 'f64')
      throw new DTypeError(`sumSquares: gradients must be f32 or f64, got ${dtype}. Use cast() first.`);
    return { shape: [], dtype };
  },
  cpu({ inputs, outputs }) {
    let sum = 0;
    for (const { data, offset, shape } of inputs) {
      const end = offset + sizeOf(shape);
      for (let i = offset; i < end; i++) sum += data[i] * data[i];
    }
    outputs[0].data[outputs[0].offset] = sum;
  },
  webgpu: () => gpu().squaresKernels,
  reference: (inputs) => inputs.map((x) => x.square().sum()).reduce((a, b) => a.add(b)),
  vjp: ({ inputs, cotangents, needs }) =>
    inputs.map((x, i) => (needs[i] ? x.mul(cotangents[0]!.mul(2)) : null)),
  cost: (inputs) => ({ flops: 2 * inputs.reduce((n, x) => n + sizeOf(x.shape), 0) }),
});

/**
 * Euclidean norm of all tensors of a tree taken together.
 *
 *   ‖g‖ = √(Σ_i Σ g_i²)
 *
 * Inf or NaN in any gradient, and f32 gradients beyond about 1e19, make it infinite or NaN.
 *
 * @returns [] in the dtype of the first gradient
 * @throws ShapeError  a tree without floating tensors
 */
export function globalNorm(grads: Tree): Tensor {
  return scope(() => {
    const floats = treeLeaves(grads).filter((g) => g.dtype === 'f32' || g.dtype === 'f64');
    const first = floats[0];
    if (first === undefined)
      throw new ShapeError(
        'globalNorm: the tree must hold gradients, got no floating tensor. Pass what valueAndGrad returned.',
      );
    const squares = ([first.dtype, first.dtype === 'f32' ? 'f64' : 'f32'] as const)
      .map((dtype) => floats.filter((g) => g.dtype === dtype))
      .filter((group) => group.length > 0)
      .map((group) => cast(apply(sumSquaresOp, group, null) as Tensor, first.dtype));
    return squares.reduce((a, b) => a.add(b)).sqrt();
  });
}

/** Factor that shrinks gradients of norm `norm` [] to at most `max`: min(1, max / (norm + 1e-6)), as PyTorch. */
export function clipFactor(norm: Tensor, max: number): Tensor {
  if (!(max > 0))
    throw new OptionError(`clipFactor: the largest norm must be positive, got ${max}. 1 is usual.`);
  return minimum(norm.add(1e-6).reciprocal().mul(max), 1);
}

/**
 * Shrinks gradients so that their global norm is at most `max`; smaller ones are left alone.
 *
 *   g_i ← g_i · min(1, max / (‖g‖ + 1e-6))
 *
 * An infinite or NaN norm makes the gradients NaN or 0: `trainStep` skips such a step.
 *
 * @returns the gradients, and their norm [] before clipping
 * @throws OptionError  max ≤ 0
 * @see Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063, algorithm 1
 */
export function clipByGlobalNorm<G>(grads: G, max: number): [grads: G, norm: Tensor] {
  return scope(() => {
    const norm = globalNorm(grads);
    const factor = clipFactor(norm, max);
    const clipped = treeEntries(grads).map(([path, g]): [string, Tensor] => [
      path,
      g.dtype === 'f32' || g.dtype === 'f64' ? mul(g, cast(factor, g.dtype)) : g,
    ]);
    return [treeFromEntries(grads, new Map(clipped)), norm];
  });
}
