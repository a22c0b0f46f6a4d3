import { apply, arange, tensor, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { checkGradient, expectClose, golden, normals, numbers } from '../test/check.js';
import { rope, ropeOp, ropeTable } from './rope.js';

/** The definition, one pair at a time. */
function ropeLoop(
  x: number[],
  [B, T, H, D]: readonly number[],
  position: (b: number, t: number) => number,
  { base = 10000, R = D, interleaved = false }: { base?: number; R?: number; interleaved?: boolean } = {},
): number[] {
  const y = x.slice();
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let h = 0; h < H; h++)
        for (let i = 0; i < R / 2; i++) {
          const at = ((b * T + t) * H + h) * D;
          const [p, q] = interleaved ? [at + 2 * i, at + 2 * i + 1] : [at + i, at + i + R / 2];
          const angle = position(b, t) * base ** ((-2 * i) / R);
          y[p] = x[p] * Math.cos(angle) - x[q] * Math.sin(angle);
          y[q] = x[q] * Math.cos(angle) + x[p] * Math.sin(angle);
        }
  return y;
}

describe('rope', () => {
  const shape = [2, 5, 3, 8];
  const x = (): Tensor => normals(1, shape);

  test.each([
    [{}, { R: 8 }],
    [{ interleaved: true }, { interleaved: true }],
    [
      { base: 500, rotaryDim: 4 },
      { base: 500, R: 4 },
    ],
    [
      { rotaryDim: 6, interleaved: true },
      { R: 6, interleaved: true },
    ],
  ])('%j is the definition', async (options, loop) => {
    await expectClose(
      rope(x(), options),
      ropeLoop(await numbers(x()), shape, (_, t) => t, loop),
      1e-12,
    );
  });

  test('positions and offsets, as data and as numbers', async () => {
    const host = await numbers(x());
    const at7 = ropeLoop(host, shape, (_, t) => t + 7);
    const i32 = { dtype: 'i32' } as const;
    await expectClose(rope(x(), { offset: 7 }), at7, 1e-12);
    await expectClose(rope(x(), { offset: tensor(7, i32) }), at7, 1e-12);
    await expectClose(rope(x(), { positions: arange(7, 12, 1, i32) }), at7, 1e-12);
    const rows = ropeLoop(host, shape, (b, t) => t + [3, 40][b]);
    await expectClose(rope(x(), { offset: tensor([3, 40], i32) }), rows, 1e-12);
    const positions = tensor(
      [
        [3, 4, 5, 6, 7],
        [40, 41, 42, 43, 44],
      ],
      i32,
    );
    await expectClose(rope(x(), { positions }), rows, 1e-12);
  });

  test('products of queries and keys depend on distances only', async () => {
    const [q, k] = [normals(2, [1, 1, 1, 16]), normals(3, [1, 1, 1, 16])];
    const product = (m: number, n: number): Promise<number> =>
      rope(q, { offset: m })
        .mul(rope(k, { offset: n }))
        .sum()
        .item();
    expect(await product(12, 5)).toBeCloseTo(await product(107, 100), 10);
  });

  test('kernel and reference agree on views too', async () => {
    const view = normals(4, [2, 3, 5, 8]).swapAxes(1, 2); // [2, 5, 3, 8], not dense
    const [cos, sin] = ropeTable(arange(0, 5, 1, { dtype: 'i32' }), { rotaryDim: 6, dtype: 'f64' });
    const inputs = [view, cos.expandDims(0), sin.expandDims(0)];
    for (const interleaved of [false, true]) {
      await expectClose(
        apply(ropeOp, inputs, { interleaved }) as Tensor,
        ropeOp.reference!(inputs, { interleaved }) as Tensor,
        1e-13,
      );
    }
  });

  test('gradients are central differences, by angles too', async () => {
    for (const interleaved of [false, true]) {
      await checkGradient((t) => rope(t, { interleaved, rotaryDim: 4, offset: 3 }), normals(1, [2, 3, 1, 6]));
      for (const rows of [1, 2]) {
        const inputs = [
          normals(1, [2, 3, 2, 6]),
          normals(2, [rows, 3, 2]),
          normals(3, [rows, 3, 2]),
        ] as const;
        await checkGradient((p) => apply(ropeOp, p, { interleaved }) as Tensor, inputs);
      }
    }
  });

  test.each(golden('rope'))('golden $name', async (c) => {
    const offset = c.options['position_offset'] as number;
    const o = {
      base: c.options['theta'] as number,
      offset,
      interleaved: String(c.options['style']).startsWith('interleaved'),
    };
    const inputs = { q: c.get('in.q'), k: c.get('in.k') };
    const loss = (p: typeof inputs): Tensor =>
      rope(p.q, o)
        .mul(c.get('in.G.q'))
        .sum()
        .add(rope(p.k, o).mul(c.get('in.G.k')).sum());
    const [, grads] = valueAndGrad(loss, inputs);
    for (const name of ['q', 'k'] as const) {
      await expectClose(rope(inputs[name], o), c.get(`out.${name}`), 1e-9);
      await expectClose(grads[name], c.get(`grad.in.${name}`), 1e-9);
    }
    if (c.has('out.freqs_cis')) {
      const [T, half] = c.get('out.freqs_cis').shape;
      const [cos, sin] = ropeTable(arange(offset, offset + T, 1, { dtype: 'i32' }), {
        base: o.base,
        rotaryDim: 2 * half,
        dtype: 'f64',
      });
      await expectClose(cos, c.get('out.freqs_cis').at(0, -1), 1e-9);
      await expectClose(sin, c.get('out.freqs_cis').at(1, -1), 1e-9);
    }
  });

  test('says what does not fit', () => {
    expect(() => rope(normals(1, [2, 3, 8]))).toThrow(
      'rope: x must be [B, T, H, D], got [2, 3, 8]. In a step use T = 1.',
    );
    expect(() => rope(x(), { rotaryDim: 5 })).toThrow('rope: rotaryDim must be even and positive, got 5.');
    expect(() => rope(x(), { rotaryDim: 10 })).toThrow(
      'rope: rotaryDim must be at most headDim D = 8, got 10.',
    );
    expect(() => rope(x(), { positions: arange(0, 4, 1, { dtype: 'i32' }) })).toThrow(
      'rope: positions must be [T] = [5] or [B, T] = [2, 5], got [4].',
    );
    expect(() => rope(x(), { positions: arange(0, 5, 1, { dtype: 'i32' }), offset: 1 })).toThrow(
      'exclude each other',
    );
    expect(() => rope(x(), { positions: arange(0, 5) })).toThrow('rope: positions must be i32, got f32.');
  });
});
