import { grad, mul, sum } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { GpuArguments, GpuCase } from '@seq/tensor/engine';
import { matrixScan } from './op.js';
import type { ScanAttrs } from './shapes.js';

type Drawn = Readonly<Record<string, Tensor>>;

/** Aligned and odd widths, chunks that do not fit, keys that heads share, one position. */
const sizes = [
  { B: 2, T: 11, G: 1, H: 2, K: 3, V: 5, chunkSize: 4 },
  { B: 1, T: 40, G: 2, H: 2, K: 8, V: 4, chunkSize: 16 },
  { B: 2, T: 1, G: 1, H: 2, K: 3, V: 5, chunkSize: 4 },
];

/** More than a tile in every direction; kernels in which an invocation keeps a whole column would compile for long. */
const wide = { B: 1, T: 170, G: 1, H: 2, K: 40, V: 68, chunkSize: 70 };

/** Every combination of decaying and erasing. */
const all: readonly Pick<ScanAttrs, 'decay' | 'erase'>[] = (['none', 'head', 'key'] as const).flatMap(
  (decay) => (['none', 'own', 'pair'] as const).map((erase) => ({ decay, erase })),
);

/**
 * Uses of the kernels of `matrixScan`, forward and gradient, for `verify` of `@seq/webgpu-kernels`:
 * `verify(device, { cases: scanCases() })` holds them against the CPU on the adapter at hand.
 *
 * @param kinds  what decays and is erased; default every combination
 */
export function scanCases(kinds: readonly Pick<ScanAttrs, 'decay' | 'erase'>[] = all): GpuCase[] {
  return kinds.flatMap(({ decay, erase }) =>
    (erase === 'none' ? [...sizes, wide] : sizes).flatMap(({ B, T, G, H, K, V, chunkSize }) => {
      const weak = { low: -0.5 / Math.sqrt(K), high: 0.5 / Math.sqrt(K) };
      const draw = (s: GpuArguments): Drawn => ({
        q: s.floats([B, T, G, K], { low: -1, high: 1 }),
        k: s.floats([B, T, G, K], weak),
        v: s.floats([B, T, H, V]),
        initial: s.floats([B, H, K, V]),
        ...(decay !== 'none' && {
          logDecay: s.floats(decay === 'key' ? [B, T, H, K] : [B, T, H], { low: -2, high: 0 }),
        }),
        ...(erase !== 'none' && { read: s.floats([B, T, H, K], weak) }),
        ...(erase === 'pair' && { write: s.floats([B, T, H, K], weak) }),
      });
      const run = ({ q, k, v, read, write, ...rest }: Drawn): [Tensor, Tensor] =>
        matrixScan(q, k, v, {
          ...rest,
          ...(read && { erase: { read, ...(write && { write }) } }),
          chunkSize,
        });
      return [
        { run: (s) => run(draw(s)), tolerance: 5e-5 },
        {
          run(s) {
            const drawn = draw(s);
            const weights = run(drawn).map((y) => s.floats(y.shape));
            const loss = (d: Drawn): Tensor => {
              const [o, state] = run(d);
              return sum(mul(o, weights[0])).add(sum(mul(state, weights[1])));
            };
            return Object.values(grad(loss, drawn));
          },
          tolerance: 2e-4,
        },
      ] satisfies GpuCase[];
    }),
  );
}
