import { grad, mul, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { GpuArguments, GpuCase } from '@seq/tensor/engine';
import { diagonalKernel } from './internal/kernel.js';
import { selectiveScan } from './mamba/op.js';

type Drawn = Readonly<Record<string, Tensor>>;

/** A function's values, and its gradients by all arguments. */
function judged(draw: (s: GpuArguments) => Drawn, f: (d: Drawn) => readonly Tensor[]): GpuCase[] {
  return [
    { run: (s) => f(draw(s)), tolerance: 5e-5 },
    {
      run(s) {
        const drawn = draw(s);
        const weights = f(drawn).map((y) => s.floats(y.shape));
        const loss = (d: Drawn): Tensor =>
          f(d)
            .map((y, i) => sum(mul(y, weights[i])))
            .reduce((a, b) => a.add(b));
        return Object.values(grad(loss, drawn));
      },
      tolerance: 5e-4,
    },
  ];
}

/** One chunk and several, few and many states, groups of channels, with all that may go past the state and nothing. */
function scans(): GpuCase[] {
  const sizes = [
    { B: 2, T: 5, C: 6, N: 4, G: 1, all: false },
    { B: 1, T: 70, C: 4, N: 16, G: 2, all: true },
    { B: 3, T: 1, C: 5, N: 3, G: 1, all: true },
  ];
  return sizes.flatMap(({ B, T, C, N, G, all }) =>
    judged(
      (s) => ({
        u: s.floats([B, T, C]),
        delta: s.floats([B, T, C], { low: 0.1, high: 1 }),
        A: s.floats([C, N], { low: -2, high: -0.1 }),
        Bs: s.floats([B, T, G, N]),
        Cs: s.floats([B, T, G, N]),
        h0: s.floats([B, C, N]),
        ...(all && {
          D: s.floats([C]),
          z: s.floats([B, T, C]),
          deltaBias: s.floats([C], { low: 0, high: 0.5 }),
        }),
      }),
      ({ u, delta, A, Bs, Cs, ...rest }) =>
        selectiveScan(u, delta, A, Bs, Cs, { ...rest, deltaSoftplus: all }),
    ),
  );
}

function kernels(): GpuCase[] {
  return [
    { H: 3, N: 4, L: 37 },
    { H: 2, N: 16, L: 256 },
  ].flatMap(({ H, N, L }) =>
    judged(
      (s) => ({
        zr: s.floats([H, N], { low: -0.5, high: -0.01 }),
        zi: s.floats([H, N]),
        cr: s.floats([H, N]),
        ci: s.floats([H, N]),
      }),
      ({ zr, zi, cr, ci }) => [diagonalKernel({ re: zr, im: zi }, { re: cr, im: ci }, L)],
    ),
  );
}

/**
 * Uses of this room's kernels, for `verify` of `@seq/webgpu-kernels`: `verify(device, { cases: stateSpaceCases() })`
 * holds them against the CPU on the adapter at hand.
 */
export function stateSpaceCases(): GpuCase[] {
  return [...scans(), ...kernels()];
}
