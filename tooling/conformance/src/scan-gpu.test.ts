// The kernels on WebGPU against the CPU, forward and gradient, at every combination of terms.
import { cpu, grad, mul, normal, key, sum } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { requestWebGPU } from '@seq/webgpu-kernels';
import { beforeAll, describe, expect, test } from 'vitest';
import { matrixScan } from '@seq/nn/scan';

let device: Device;
let floor: Device;
beforeAll(async () => {
  device = await requestWebGPU();
  floor = await requestWebGPU({ floor: true, poison: true });
});

interface Sizes {
  readonly B: number;
  readonly T: number;
  readonly G: number;
  readonly H: number;
  readonly K: number;
  readonly V: number;
  readonly chunkSize: number;
}

/** Aligned and odd widths, one chunk and many, heads that share keys, one position. */
const settings: readonly Sizes[] = [
  { B: 2, T: 11, G: 1, H: 2, K: 3, V: 5, chunkSize: 4 },
  { B: 1, T: 40, G: 2, H: 2, K: 8, V: 4, chunkSize: 16 },
  { B: 2, T: 1, G: 1, H: 1, K: 4, V: 8, chunkSize: 16 },
];

type Operands = Record<string, Tensor>;

function draw(on: Device, decay: string, erase: string, { B, T, G, H, K, V }: Sizes): Operands {
  const at = { device: on };
  const draws = (seed: number, shape: readonly number[]): Tensor => normal(key(seed, at), shape, at);
  return {
    q: draws(1, [B, T, G, K]),
    k: draws(2, [B, T, G, K]).mul(0.5),
    v: draws(3, [B, T, H, V]),
    initial: draws(4, [B, H, K, V]),
    ...(decay !== 'none' && {
      logDecay: draws(5, decay === 'key' ? [B, T, H, K] : [B, T, H])
        .abs()
        .neg(),
    }),
    ...(erase !== 'none' && { read: draws(6, [B, T, H, K]).mul(0.3) }),
    ...(erase === 'pair' && { write: draws(7, [B, T, H, K]).mul(0.3) }),
  };
}

function run(x: Operands, chunkSize: number): [Tensor, Tensor] {
  const { q, k, v, read, write, ...rest } = x;
  const erase = read && { erase: { read, ...(write && { write }) } };
  return matrixScan(q, k, v, { ...rest, ...erase, chunkSize });
}

/** Readings, state and gradients of a weighted sum of both. */
async function results(
  on: Device,
  decay: string,
  erase: string,
  sizes: Sizes,
): Promise<Record<string, Float32Array>> {
  const x = draw(on, decay, erase, sizes);
  const [o, state] = run(x, sizes.chunkSize);
  const weights = [o, state].map((y, i) => normal(key(20 + i, { device: on }), y.shape, { device: on }));
  const gradients = grad((p: Operands) => {
    const out = run(p, sizes.chunkSize);
    return sum(mul(out[0], weights[0])).add(sum(mul(out[1], weights[1])));
  }, x);
  const all = { o, state, ...Object.fromEntries(Object.entries(gradients).map(([n, g]) => [`d${n}`, g])) };
  const read = Object.entries(all).map(async ([n, t]) => [n, await t.data()] as const);
  return Object.fromEntries(await Promise.all(read)) as Record<string, Float32Array>;
}

function expectAlike(got: Record<string, Float32Array>, want: Record<string, Float32Array>): void {
  for (const [name, values] of Object.entries(want)) {
    const scale = values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-3);
    const worst = values.reduce((m, v, i) => Math.max(m, Math.abs(v - got[name][i])), 0);
    const finite = got[name].every(Number.isFinite);
    expect(finite ? worst / scale : Infinity, name).toBeLessThan(2e-5);
  }
}

const kinds = ['none', 'head', 'key'].flatMap((decay) =>
  ['none', 'own', 'pair'].map((erase) => [decay, erase]),
);

describe('matrixScan on WebGPU', () => {
  test.each(kinds)('decay: %s, erase: %s', async (decay, erase) => {
    for (const [i, sizes] of settings.entries()) {
      const on = i === 0 ? floor : device;
      expectAlike(await results(on, decay, erase, sizes), await results(cpu(), decay, erase, sizes));
    }
  });
});
