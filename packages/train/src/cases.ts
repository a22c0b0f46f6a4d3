import { apply } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { GpuArguments, GpuCase } from '@seq/tensor/engine';
import { globalNorm } from './clip.js';
import { adamOp } from './optimizer-ops.js';

/** Whole fours, odd sizes, a scalar, nothing. */
const shapes = [[64, 8], [37], [3, 5], [], [0, 4], [1000]];

/** One update of parameters of these shapes. */
function update(s: GpuArguments, amsgrad: boolean, decoupled: boolean): readonly Tensor[] {
  const positive = { low: 0.1, high: 2 };
  const operands = shapes.flatMap((shape) => [
    ...[s.floats(shape), s.floats(shape), s.floats(shape)],
    ...(amsgrad ? [s.floats(shape, positive), s.floats(shape, positive)] : [s.floats(shape, positive)]),
  ]);
  const attrs = {
    ...{ beta1: 0.9, beta2: 0.999, eps: 1e-8, decoupled, maximize: false },
    weightDecay: shapes.map((_, k) => 0.1 * (k % 2)),
  };
  return apply(adamOp(shapes.length, amsgrad), [...operands, s.given([0.01, 3, 0.5, 1])], attrs) as Tensor[];
}

/**
 * Uses of this package's kernels, for `verify` of `@seq/webgpu-kernels`: `verify(device, { cases: optimizerCases() })`
 * holds them against the CPU on the adapter at hand.
 */
export function optimizerCases(): GpuCase[] {
  return [
    ...[false, true].flatMap((amsgrad) =>
      [false, true].map((decoupled): GpuCase => ({ run: (s) => update(s, amsgrad, decoupled) })),
    ),
    { run: (s) => globalNorm(shapes.map((shape) => s.floats(shape))) },
    { run: (s) => globalNorm([s.floats([70_001]), s.floats([3])]), tolerance: 1e-4 },
  ];
}
