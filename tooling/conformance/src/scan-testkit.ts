// Operands of the scan of every kind, and gates at their extremes held against double precision.
import { concat, grad, key, normal, sum, tensor } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { matrixScan } from '@seq/nn/scan';
import { expect } from 'vitest';

/** Every combination of what decays and what is erased. */
export const kinds = (['none', 'head', 'key'] as const).flatMap((decay) =>
  (['none', 'own', 'pair'] as const).map((erase) => ({ decay, erase })),
);
/** One of them. */
export type Kind = (typeof kinds)[number];

/** Inputs and options of the scan by name. */
export type Operands = Record<string, Tensor>;

/** The scan of operands. */
export function run({ q, k, v, read, write, ...rest }: Operands, chunkSize?: number): [Tensor, Tensor] {
  const erase = read && { erase: { read, ...(write && { write }) } };
  return matrixScan(q, k, v, { ...rest, ...erase, ...(chunkSize && { chunkSize }) });
}

/** Sizes of a case: H heads that share their queries and keys. */
export interface Sizes {
  readonly T: number;
  readonly H: number;
  readonly K: number;
  readonly V: number;
}

/** Erasing takes back a part of what a key of unit length at most points to. */
function draw({ decay, erase }: Kind, { T, H, K, V }: Sizes): Operands {
  const at = { dtype: 'f64' } as const;
  const draws = (seed: number, heads: number, width: number): Tensor =>
    normal(key(seed), [1, T, heads, width], at);
  const unit = (seed: number, heads: number): Tensor =>
    draws(seed, heads, K)
      .tanh()
      .mul(K ** -0.5);
  const k = unit(2, 1);
  // Of a pair, what is read and what is written are near each other.
  const erased = H === 1 ? k : unit(5, H);
  const gates = [-Infinity, -50, 0, -1e-3];
  const shape = decay === 'key' ? [1, T, H, K] : [1, T, H];
  const n = shape.reduce((a, b) => a * b);
  const g = Float64Array.from({ length: n }, (_, i) => gates[Math.floor(i / 7) % 3 === 0 ? (i * 5) % 4 : 2]);
  return {
    q: draws(1, 1, K),
    k,
    v: draws(3, H, V),
    initial: normal(key(4), [1, H, K, V], at),
    ...(decay !== 'none' && { logDecay: tensor(g, { shape }) }),
    ...(erase !== 'none' && { read: (erase === 'own' ? concat(Array(H).fill(k), 2) : erased).mul(-0.5) }),
    ...(erase === 'pair' && { write: erased.mul(0.5) }),
  };
}

async function results(x: Operands, chunkSize: number): Promise<Record<string, ArrayLike<number>>> {
  const [o, state] = run(x, chunkSize);
  const grads = grad((y: Operands) => {
    const out = run(y, chunkSize);
    return sum(out[0].tanh()).add(sum(out[1].tanh()));
  }, x);
  const all = Object.entries({
    o,
    state,
    ...Object.fromEntries(Object.entries(grads).map(([n, g]) => [`d${n}`, g])),
  });
  return Object.fromEntries(await Promise.all(all.map(async ([n, t]) => [n, await t.data()] as const)));
}

/**
 * Gates of −∞, −50 and 0, by default for a thousand positions: readings, state and gradients in f32 on a device are those of double
 * precision.
 */
export async function expectExact(
  kind: Kind,
  device: Device,
  chunkSize: number,
  sizes: Sizes = { T: 1000, H: 1, K: 3, V: 5 },
): Promise<void> {
  const exact = draw(kind, sizes);
  const want = await results(exact, chunkSize);
  const single = await Promise.all(
    Object.entries(exact).map(
      async ([n, t]) => [n, tensor(Float32Array.from(await t.data()), { shape: t.shape, device })] as const,
    ),
  );
  const got = await results(Object.fromEntries(single), chunkSize);
  for (const [name, values] of Object.entries(want)) {
    const list = Array.from(values);
    const scale = list.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    const off = list.map((x, i) => Math.abs(x - got[name][i]) / scale);
    expect(
      off.every((x) => x < 2e-5),
      `${name} of ${kind.decay}, ${kind.erase}: ${Math.max(...off)}`,
    ).toBe(true);
  }
}
