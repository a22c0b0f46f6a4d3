import { grad, mul, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { GpuArguments, GpuCase } from '@seq/tensor/engine';
import { rmsNormGated } from './gated-norm.js';
import { layerNorm, rmsNorm } from './norm.js';
import { rope } from './rope.js';
import { matrixScan } from './scan/index.js';

type Drawn = readonly Tensor[];

/** A function's values, and its gradients by all arguments. */
function judged(
  draw: (s: GpuArguments) => Drawn,
  f: (...xs: Tensor[]) => Drawn,
  tolerance: number = 5e-5,
): GpuCase[] {
  const run = (xs: Drawn): Drawn => f(...xs);
  return [
    { run: (s) => run(draw(s)), tolerance: tolerance / 2 },
    {
      run(s) {
        const xs = draw(s);
        const weights = run(xs).map((y) => s.floats(y.shape));
        const loss = (ps: Drawn): Tensor =>
          run(ps)
            .map((y, i) => sum(mul(y, weights[i])))
            .reduce((a, b) => a.add(b));
        return grad(loss, xs) as Tensor[];
      },
      tolerance,
    },
  ];
}

/** Rows of whole fours and others, few and many. */
function norms(): GpuCase[] {
  return [
    [5, 7],
    [3, 9, 64],
    [2, 300],
  ].flatMap((shape) => {
    const vector = shape.slice(-1);
    return [
      ...judged(
        (s) => [s.floats(shape), s.floats(vector), s.floats(vector)],
        (x, weight, bias) => [layerNorm(x, { weight, bias })],
      ),
      ...judged(
        (s) => [s.floats(shape)],
        (x) => [layerNorm(x)],
      ),
      ...judged(
        (s) => [s.floats(shape), s.floats(vector)],
        (x, weight) => [rmsNorm(x, { weight })],
      ),
      ...[true, false].flatMap((normBeforeGate) =>
        judged(
          (s) => [s.floats(shape), s.floats(shape), s.floats(vector)],
          (x, z, weight) => [rmsNormGated(x, z, { weight }, { normBeforeGate })],
        ),
      ),
    ];
  });
}

function rotations(): GpuCase[] {
  return [false, true].flatMap((interleaved) =>
    judged(
      (s) => [s.floats([2, 5, 3, 8])],
      (x) => [rope(x, { interleaved, offset: 3 }), rope(x, { rotaryDim: 4 })],
    ),
  );
}

/** Aligned and odd widths, one chunk and many; every kind of decay and of erasing. */
function scans(): GpuCase[] {
  const sizes = [
    { B: 2, T: 11, G: 1, H: 2, K: 3, V: 5, chunkSize: 4 },
    { B: 1, T: 40, G: 2, H: 2, K: 8, V: 4, chunkSize: 16 },
  ];
  return sizes.flatMap(({ B, T, G, H, K, V, chunkSize }) => {
    const base = (s: GpuArguments): Tensor[] => [
      s.floats([B, T, G, K]),
      s.floats([B, T, G, K], { low: -0.5, high: 0.5 }),
      s.floats([B, T, H, V]),
      s.floats([B, H, K, V]),
    ];
    const decay = (s: GpuArguments, shape: number[]): Tensor => s.floats(shape, { low: -2, high: 0 });
    const erase = (s: GpuArguments): Tensor => s.floats([B, T, H, K], { low: -0.3, high: 0.3 });
    return [
      ...judged(base, (q, k, v, initial) => matrixScan(q, k, v, { initial, chunkSize }), 2e-4),
      ...judged(
        (s) => [...base(s), decay(s, [B, T, H]), erase(s)],
        (q, k, v, initial, logDecay, read) =>
          matrixScan(q, k, v, { initial, logDecay, erase: { read }, chunkSize }),
        2e-4,
      ),
      ...judged(
        (s) => [...base(s), decay(s, [B, T, H, K]), erase(s), erase(s)],
        (q, k, v, initial, logDecay, read, write) =>
          matrixScan(q, k, v, { initial, logDecay, erase: { read, write }, chunkSize }),
        2e-4,
      ),
    ];
  });
}

/**
 * Uses of the kernels of layers and of `matrixScan`, for `verify` of `@seq/webgpu-kernels`:
 * `verify(device, { cases: layerCases() })` holds them against the CPU on the adapter at hand.
 */
export function layerCases(): GpuCase[] {
  return [...norms(), ...rotations(), ...scans()];
}
