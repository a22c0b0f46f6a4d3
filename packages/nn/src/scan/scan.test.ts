import { apply, explain, grad, mul, SeqError, sum, tensor, vjp, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { checkGradient, expectClose, normals, numbers } from '../../test/check.js';
import { matrixScan, matrixScanNaive, matrixScanOp } from './index.js';
import type { MatrixScanOptions } from './index.js';
import { scanReference } from './reference.js';
import type { ScanAttrs } from './shapes.js';

type Decay = ScanAttrs['decay'];
type Erase = ScanAttrs['erase'];
interface Sizes {
  readonly B?: number;
  readonly T?: number;
  readonly G?: number;
  readonly H?: number;
  readonly K?: number;
  readonly V?: number;
}
type Operands = {
  q: Tensor;
  k: Tensor;
  v: Tensor;
  initial: Tensor;
  logDecay?: Tensor;
  read?: Tensor;
  write?: Tensor;
};

/** Operands of every kind; erasing is weak enough that states do not grow. */
function draw(
  decay: Decay,
  erase: Erase,
  { B = 2, T = 9, G = 2, H = 2, K = 3, V = 4 }: Sizes = {},
): Operands {
  const perHead = [B, T, H, K];
  return {
    q: normals(1, [B, T, G, K]),
    k: normals(2, [B, T, G, K]).mul(0.5),
    v: normals(3, [B, T, H, V]),
    initial: normals(4, [B, H, K, V]),
    ...(decay !== 'none' && {
      logDecay: normals(5, decay === 'key' ? perHead : [B, T, H])
        .abs()
        .neg(),
    }),
    ...(erase !== 'none' && { read: normals(6, perHead).mul(0.3) }),
    ...(erase === 'pair' && { write: normals(7, perHead).mul(0.3) }),
  };
}

function run({ q, k, v, read, write, ...rest }: Operands, o: MatrixScanOptions = {}): [Tensor, Tensor] {
  return matrixScan(q, k, v, { ...rest, ...(read && { erase: { read, ...(write && { write }) } }), ...o });
}

async function naive(x: Operands, resets?: number[]): Promise<{ o: Float64Array; state: Float64Array }> {
  const [B, T, G, K] = x.q.shape;
  const [, , H, V] = x.v.shape;
  const arrays = Object.entries(x).map(async ([name, t]) => [name, await numbers(t)]);
  const named = Object.fromEntries(await Promise.all(arrays));
  return matrixScanNaive({ ...named, ...(resets && { resets }) }, { B, T, G, H, K, V });
}

const kinds = (['none', 'head', 'key'] as const).flatMap((decay) =>
  (['none', 'own', 'pair'] as const).map((erase) => [decay, erase] as const),
);

describe.each(kinds)('matrixScan, decay: %s, erase: %s', (decay, erase) => {
  test('is its definition, whatever the chunks, also where heads share keys', async () => {
    for (const sizes of [{ G: 1 }, { T: 1, B: 1 }, { G: 2, H: 4, K: 1, V: 2 }]) {
      const x = draw(decay, erase, sizes);
      const want = await naive(x);
      for (const chunkSize of [1, 2, 4, 9, 64]) {
        const [o, state] = run(x, { chunkSize });
        await expectClose(o, want.o, 1e-13);
        await expectClose(state, want.state, 1e-13);
      }
    }
  });

  test('its gradient is the slope, by every operand, through outputs and state', async () => {
    for (const [G, chunkSize] of [
      [2, 4],
      [1, 2],
    ])
      await checkGradient(
        (x: Operands) => run(x, { chunkSize }),
        draw(decay, erase, { B: 1, T: 6, G, K: 2, V: 2 }),
      );
  });

  test('one position has the gradient of a sequence, also twice', async () => {
    const x = draw(decay, erase, { B: 1, T: 1, G: 1, K: 2, V: 2 });
    await checkGradient((y: Operands) => run(y), x);
    const weights = normals(10, [1, 1, 2, 2]);
    const first = (y: Operands): Tensor[] =>
      Object.values(grad((z: Operands) => sum(mul(run(z)[0].tanh(), weights)), y));
    await checkGradient(first, x, { tolerance: 1e-6 });
  });

  test('its gradient is that of the loop over positions', async () => {
    const attrs: ScanAttrs = { chunk: 3, decay, erase };
    const { q, k, v, initial, logDecay, read, write } = draw(decay, erase, { T: 8 });
    const inputs = [q, k, v, initial, logDecay, read, write].filter((x): x is Tensor => !!x);
    const cotangents = [normals(8, v.shape), normals(9, initial.shape)];
    const first = (f: (list: Tensor[]) => Tensor[]): Tensor[] =>
      vjp((...list: Tensor[]) => f(list).slice(0, 2), inputs, cotangents)[1];
    const want = first((list) => scanReference(list, attrs));
    const got = first((list) => apply(matrixScanOp, list, attrs) as Tensor[]);
    for (const [i, g] of got.entries()) await expectClose(g, want[i], 1e-12);
  });

  test('cut anywhere it goes on alike', async () => {
    const x = draw(decay, erase, { T: 7 });
    const [whole, last] = run(x, { chunkSize: 3 });
    const part = (from: number, to: number, initial: Tensor): Operands => ({
      ...(Object.fromEntries(
        Object.entries(x).map(([n, t]) => [n, n === 'initial' ? t : t.slice(1, from, to)]),
      ) as Operands),
      initial,
    });
    for (const cut of [0, 1, 3, 4, 7]) {
      const [a, between] = run(part(0, cut, x.initial), { chunkSize: 3 });
      const [b, state] = run(part(cut, 7, between), { chunkSize: 3 });
      await expectClose(a, whole.slice(1, 0, cut), 1e-13);
      await expectClose(b, whole.slice(1, cut), 1e-13);
      await expectClose(state, last, 1e-13);
    }
  });

  test('resets clear the state', async () => {
    const x = draw(decay, erase, { T: 6 });
    const flags = [0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0];
    const resets = tensor(flags.map(Boolean), { shape: [2, 6] });
    const want = await naive(x, flags);
    const [o, state] = run(x, { resets, chunkSize: 4 });
    await expectClose(o, want.o, 1e-13);
    await expectClose(state, want.state, 1e-13);
    await checkGradient(
      (y: Operands) => run(y, { resets, chunkSize: 4 }),
      draw(decay, erase, { T: 6, V: 2 }),
    );
  });

  test('in f32 it stays within rounding of the definition', async () => {
    const x = draw(decay, erase, { T: 40, K: 8, V: 8 });
    const single = Object.fromEntries(Object.entries(x).map(([n, t]) => [n, t.cast('f32')])) as Operands;
    const [o, state] = run(single, { chunkSize: 16 });
    const want = await naive(single);
    await expectClose(o, want.o, 2e-6);
    await expectClose(state, want.state, 2e-6);
  });

  test('can be differentiated twice', async () => {
    const x = draw(decay, erase, { B: 1, T: 4, K: 2, V: 2 });
    await checkGradient(
      (y: Operands) =>
        Object.values(
          grad((z: Operands) => sum(mul(run(z, { chunkSize: 2 })[0], normals(10, [1, 4, 2, 2]))), y),
        ),
      x,
      { tolerance: 1e-6 },
    );
  });
});

describe('matrixScan', () => {
  test('gates of −∞, −50 and 0 are legal for a thousand positions', async () => {
    const T = 1000;
    const x = draw('key', 'own', { B: 1, T, K: 4, V: 2 });
    const pattern = [-Infinity, -50, 0, -1e-3];
    for (const choose of [(i: number) => i % 4, (i: number) => (i * 7) % 3, () => 1]) {
      const g = Float64Array.from({ length: T * 8 }, (_, i) => pattern[choose(i)]);
      const y = { ...x, read: x.k.mul(-0.2), logDecay: tensor(g, { shape: [1, T, 2, 4] }) };
      const [o, state] = run(y);
      const want = await naive(y);
      await expectClose(o, want.o, 1e-12);
      await expectClose(state, want.state, 1e-12);
      const gradients = grad((z: Operands) => sum(run(z)[0].square()), y);
      for (const leaf of Object.values(gradients))
        expect((await numbers(leaf)).every(Number.isFinite)).toBe(true);
    }
  });

  test('no positions: no output, the state as it was', async () => {
    const x = draw('head', 'none', { T: 0 });
    const [o, state] = run(x);
    expect(o.shape).toEqual([2, 0, 2, 4]);
    await expectClose(state, x.initial, 0);
  });

  test('work grows as the positions do, kernels do not', () => {
    const count = (T: number): [number, number] => {
      const x = draw('key', 'pair', { B: 1, T });
      const plan = explain((y: Operands) => grad((z: Operands) => sum(run(z)[0]), y), x);
      return [plan.runs, plan.flops / T];
    };
    const [short, long] = [count(200), count(800)];
    expect(long[0]).toBe(short[0]);
    expect(long[1] / short[1]).toBeCloseTo(1, 2);
  });

  test('a gradient keeps the states of chunks beside rows of the sequence: O(T (K + V) + T/L · K V)', () => {
    const [H, K, V, bytes] = [2, 16, 32, 8];
    for (const erase of ['none', 'own', 'pair'] as const) {
      const peak = (T: number, chunkSize: number): number => {
        const x = draw('key', erase, { B: 1, T, G: H, H, K, V });
        return explain((y: Operands) => grad((z: Operands) => sum(run(z, { chunkSize })[0]), y), x).peakBytes;
      };
      const states = (T: number, L: number): number => bytes * (T / L) * H * K * V;
      // Beside them there is room to work on one chunk.
      for (const L of [8, 16])
        expect((peak(8192, L) - peak(8192, 2 * L)) / (states(8192, L) - states(8192, 2 * L))).toBeCloseTo(
          1,
          1,
        );
      const rows = (T: number): number => peak(T, 64) - states(T, 64);
      const perRow = (rows(8192) - rows(1024)) / 7168;
      expect(perRow).toBeLessThan(8 * bytes * H * (K + V));
    }
  });

  test('messages name the operand, the sizes and where they come from', () => {
    const { q, k, v } = draw('none', 'none');
    const caught = (f: () => unknown): string => {
      try {
        f();
      } catch (error) {
        if (error instanceof SeqError) return error.message;
      }
      throw new Error('nothing was refused');
    };
    expect(caught(() => matrixScan(q, k, v, { initial: zeros([2, 2, 4, 3], { dtype: 'f64' }) }))).toBe(
      'matrixScan: initial must be [B, H, K, V] = [2, 2, 3, 4], got [2, 2, 4, 3]. G and K come from q [2, 9, 2, 3], H and V from v [2, 9, 2, 4].',
    );
    expect(caught(() => matrixScan(q, k.slice(1, 1), v))).toContain('k must be [B, T, G, K] = [2, 9, 2, 3]');
    expect(caught(() => matrixScan(q, k, v, { chunkSize: 0 }))).toContain(
      'chunkSize must be a positive integer, got 0',
    );
    expect(caught(() => matrixScan(q, k, v, { logDecay: q.slice(1, 1) }))).toContain(
      'logDecay must be [B, T, H, K]',
    );
    expect(caught(() => matrixScan(q, k, v, { resets: zeros([2, 9]) }))).toContain(
      'resets must be bool, got f32',
    );
    expect(caught(() => matrixScan(q, k, v.slice(2, 0, 1)))).toContain(
      'the heads of q and k must divide those of v',
    );
    expect(caught(() => matrixScan(q.cast('f32'), k, v))).toContain(
      'must be all f32 or all f64, got f32 and f64',
    );
  });
});
