// The kernels in WebAssembly against the loops in double precision, forward and gradient, in both builds.
import { createCpu, grad, mul, sum, tensor } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { normals, numbers } from '../../test/check.js';
import { matrixScan } from './index.js';

interface Sizes {
  readonly B?: number;
  readonly T: number;
  readonly G?: number;
  readonly H?: number;
  readonly K: number;
  readonly V: number;
  readonly chunkSize: number;
}
type Operands = Record<string, Tensor>;

/** Widths of whole vectors and of odd ones, chunks that do not fit or are several blocks, keys that heads share, one position. */
const sizes: readonly Sizes[] = [
  { B: 2, T: 11, G: 1, H: 2, K: 5, V: 7, chunkSize: 4 },
  { T: 33, G: 2, H: 2, K: 8, V: 20, chunkSize: 16 },
  { T: 79, G: 1, H: 2, K: 6, V: 9, chunkSize: 70 },
  { T: 1, K: 4, V: 3, chunkSize: 64 },
];

function draw(decay: string, erase: string, { B = 1, T, G = 1, H = 1, K, V }: Sizes): Operands {
  const perHead = [B, T, H, K];
  const small = 1 / Math.sqrt(K);
  return {
    q: normals(1, [B, T, G, K]),
    k: normals(2, [B, T, G, K]).mul(small),
    v: normals(3, [B, T, H, V]),
    initial: normals(4, [B, H, K, V]),
    ...(decay !== 'none' && {
      logDecay: normals(5, decay === 'key' ? perHead : [B, T, H])
        .abs()
        .neg(),
    }),
    ...(erase !== 'none' && { read: normals(6, perHead).mul(small) }),
    ...(erase === 'pair' && { write: normals(7, perHead).mul(small) }),
  };
}

function run({ q, k, v, read, write, ...rest }: Operands, chunkSize: number): [Tensor, Tensor] {
  const erase = read && { erase: { read, ...(write && { write }) } };
  return matrixScan(q, k, v, { ...rest, ...erase, chunkSize });
}

/** Readings, state, and gradients of a weighted sum of both. */
async function results(x: Operands, weights: Operands, chunkSize: number): Promise<number[][]> {
  const [o, state] = run(x, chunkSize);
  const grads = grad((y: Operands) => {
    const [first, second] = run(y, chunkSize);
    return sum(mul(first, weights['o'])).add(sum(mul(second, weights['state'])));
  }, x);
  return Promise.all([o, state, ...Object.values(grads)].map(numbers));
}

/** The same numbers in f32 on a device. */
async function singles(x: Operands, device: Device): Promise<Operands> {
  const entries = Object.entries(x).map(async ([name, t]) => [
    name,
    tensor(Float32Array.from(await numbers(t)), { shape: t.shape, device }),
  ]);
  return Object.fromEntries(await Promise.all(entries)) as Operands;
}

async function expectExact(device: Device, decay: string, erase: string, at: Sizes): Promise<void> {
  const { B = 1, T, H = 1, K, V, chunkSize } = at;
  const exact = draw(decay, erase, at);
  const weights = { o: normals(8, [B, T, H, V]), state: normals(9, [B, H, K, V]) };
  const want = await results(exact, weights, chunkSize);
  const got = await results(await singles(exact, device), await singles(weights, device), chunkSize);
  for (const [i, list] of want.entries()) {
    const scale = list.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    const off = list.reduce((most, x, j) => Math.max(most, Math.abs(x - got[i][j])), 0);
    expect(off / scale).toBeLessThan(3e-6);
  }
}

const builds: readonly (readonly [string, Device])[] = [
  ['relaxed', createCpu()],
  ['plain', createCpu({ wasm: 'plain' })],
];

describe.each(builds)('matrixScan in WebAssembly, %s', (build, device) => {
  test.each(
    (['none', 'head', 'key'] as const).flatMap((decay) =>
      (['none', 'own', 'pair'] as const).map((erase) => [decay, erase] as const),
    ),
  )('decay: %s, erase: %s', async (decay, erase) => {
    expect(device).toMatchObject({ build });
    for (const at of sizes) await expectExact(device, decay, erase, at);
  });

  test('gates of −∞, −50 and 0 stay exact for a thousand positions', async () => {
    const [T, K, V] = [1000, 4, 5];
    const pattern = [-Infinity, -50, 0, -1e-3];
    const exact = draw('key', 'own', { T, K, V, chunkSize: 64 });
    exact['logDecay'] = tensor(
      Float64Array.from({ length: T * K }, (_, i) => pattern[(i * 7) % 4]),
      { shape: [1, T, 1, K] },
    );
    exact['read'] = exact['k'].mul(-0.2);
    const [o, state] = await Promise.all(run(exact, 64).map(numbers));
    const single = await singles(exact, device);
    const got = await Promise.all(run(single, 64).map(numbers));
    for (const [i, list] of [o, state].entries())
      list.forEach((x, j) => expect(Math.abs(got[i][j] - x)).toBeLessThan(2e-5));
    const grads = grad((y: Operands) => sum(run(y, 64)[0].square()), single);
    for (const leaf of Object.values(grads)) expect((await numbers(leaf)).every(Number.isFinite)).toBe(true);
  });
});

test('what is too large for a workplace goes through the loops', async () => {
  await expectExact(createCpu(), 'key', 'own', { T: 2, K: 480, V: 512, chunkSize: 64 });
});
