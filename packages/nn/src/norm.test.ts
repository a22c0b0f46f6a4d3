import { grad, tensor, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { checkGradient, expectClose, golden, normals, numbers } from '../test/check.js';
import { layerNorm, layerNormInit, layerNormOp, rmsNorm, rmsNormInit, rmsNormOp } from './norm.js';

/** Plain loops over rows of length n. */
function rows(x: number[], n: number, f: (row: number[]) => number[]): number[] {
  return Array.from({ length: x.length / n }, (_, r) => f(x.slice(r * n, (r + 1) * n))).flat();
}

const meanOf = (row: number[]): number => row.reduce((a, b) => a + b, 0) / row.length;

function layerNormLoop(row: number[], w: number[], b: number[], eps: number): number[] {
  const m = meanOf(row);
  const s = Math.sqrt(meanOf(row.map((v) => (v - m) ** 2)) + eps);
  return row.map((v, i) => ((v - m) / s) * w[i] + b[i]);
}

describe('layerNorm', () => {
  test.each([[[2, 3, 5]], [[4, 1]], [[7]], [[0, 3]], [[3, 64]]])(
    'of shape %j is the plain loop',
    async (shape) => {
      const n = shape.at(-1)!;
      const [x, w, b] = [normals(1, shape), normals(2, [n]), normals(3, [n])];
      const [hw, hb] = [await numbers(w), await numbers(b)];
      const y = layerNorm(x, { weight: w, bias: b }, { eps: 1e-3 });
      await expectClose(
        y,
        rows(await numbers(x), n, (row) => layerNormLoop(row, hw, hb, 1e-3)),
        1e-12,
      );
    },
  );

  test('kernel and reference agree, with and without weight and bias', async () => {
    const [x, w, b] = [normals(1, [3, 7]), normals(2, [7]), normals(3, [7])];
    for (const [weight, bias] of [
      [true, true],
      [true, false],
      [false, true],
      [false, false],
    ]) {
      const inputs = [x, ...(weight ? [w] : []), ...(bias ? [b] : [])];
      const attrs = { eps: 1e-5, weight, bias };
      const params = { ...(weight && { weight: w }), ...(bias && { bias: b }) };
      await expectClose(layerNorm(x, params), layerNormOp.reference!(inputs, attrs) as Tensor, 1e-13);
    }
  });

  test('a mean of 10⁶ in f32 costs no more than the rounding of the input', async () => {
    const noise = await numbers(normals(5, [2, 32]));
    const f32 = Float32Array.from(noise, (v) => v + 1e6); // spacing 1/16 at this size
    const exact = rows(Array.from(f32), 32, (row) =>
      layerNormLoop(row, Array(32).fill(1), Array(32).fill(0), 1e-5),
    );
    await expectClose(layerNorm(tensor(f32, { shape: [2, 32] })), exact, 1e-6);
  });

  test('gradients are central differences', async () => {
    const inputs = { x: normals(1, [2, 3, 5]), weight: normals(2, [5]), bias: normals(3, [5]) };
    await checkGradient(({ x, weight, bias }) => layerNorm(x, { weight, bias }), inputs);
    await checkGradient(({ x, weight }) => layerNorm(x, { weight }), { x: inputs.x, weight: inputs.weight });
    await checkGradient(({ x, bias }) => layerNorm(x, { bias }), { x: inputs.x, bias: inputs.bias });
    await checkGradient((x) => layerNorm(x), inputs.x);
  });

  test('a gradient can be differentiated again', async () => {
    const inputs = { x: normals(1, [2, 4]), weight: normals(2, [4]) };
    const cube = ({ x, weight }: typeof inputs): Tensor => layerNorm(x, { weight }).pow(3).sum();
    await checkGradient(
      (p) => {
        const g = grad(cube, p);
        return [g.x, g.weight];
      },
      inputs,
      { tolerance: 1e-6 },
    );
  });

  test('reads transposed and sliced views', async () => {
    const x = normals(1, [6, 4, 3]);
    const view = x.transpose([1, 2, 0]).slice(1, 1, 3);
    await expectClose(layerNorm(view, layerNormInit(6, { dtype: 'f64' })), layerNorm(view.contiguous()), 0);
    await checkGradient((t) => layerNorm(t.transpose()), normals(2, [3, 4]));
  });

  test('its f32 gradient is its f64 gradient', async () => {
    const [x, w] = [normals(1, [64, 33]), normals(2, [33])];
    const loss = (p: { x: Tensor; w: Tensor }): Tensor => layerNorm(p.x, { weight: p.w }).sin().sum();
    const [, exact] = valueAndGrad(loss, { x, w });
    const [, got] = valueAndGrad(loss, { x: x.cast('f32'), w: w.cast('f32') });
    await expectClose(got.x.cast('f64'), exact.x, 1e-5);
    await expectClose(got.w.cast('f64'), exact.w, 1e-5);
  });

  test.each(golden('layernorm'))('golden $name', async (c) => {
    const inputs = { x: c.get('in.x'), weight: c.get('param.weight'), bias: c.get('param.bias') };
    const eps = c.options['eps'] as number;
    const [loss, grads] = valueAndGrad(
      ({ x, weight, bias }) => layerNorm(x, { weight, bias }, { eps }).mul(c.get('in.G.y')).sum(),
      inputs,
    );
    expect(Number.isFinite(await loss.item())).toBe(true);
    await expectClose(layerNorm(inputs.x, inputs, { eps }), c.get('out.y'), 1e-9);
    await expectClose(grads.x, c.get('grad.in.x'), 1e-9);
    await expectClose(grads.weight, c.get('grad.param.weight'), 1e-9);
    await expectClose(grads.bias, c.get('grad.param.bias'), 1e-9);
  });

  test('says what does not fit', () => {
    expect(() => layerNorm(normals(1, [2, 3]), { weight: normals(1, [4]) })).toThrow(
      'layerNorm: weight and bias must be [C] = [3], got [4]; x is [2, 3].',
    );
    expect(() => layerNorm(tensor([[1, 2]], { dtype: 'i32' }))).toThrow(
      'layerNorm: x must be f32 or f64, got i32. Cast it first.',
    );
    expect(() => layerNorm(normals(1, [2, 3]), {}, { eps: -1 })).toThrow(
      'layerNorm: eps must not be negative, got -1.',
    );
  });
});

describe('rmsNorm', () => {
  test('is the plain loop', async () => {
    const [x, w] = [normals(1, [2, 3, 5]), normals(2, [5])];
    const hw = await numbers(w);
    const loop = rows(await numbers(x), 5, (row) => {
      const s = Math.sqrt(meanOf(row.map((v) => v * v)) + 1e-6);
      return row.map((v, i) => (v / s) * hw[i]);
    });
    await expectClose(rmsNorm(x, { weight: w }), loop, 1e-12);
    await expectClose(
      rmsNorm(x, { weight: w }),
      rmsNormOp.reference!([x, w], { eps: 1e-6, weight: true, bias: false }) as Tensor,
      1e-13,
    );
    await expectClose(rmsNorm(x, rmsNormInit(5, { dtype: 'f64' })), rmsNorm(x), 0);
  });

  test('large inputs do not overflow in f32', async () => {
    await expectClose(rmsNorm(tensor([1e30, 1e30])), [1, 1], 1e-6);
  });

  test('gradients are central differences, also the second', async () => {
    const inputs = { x: normals(1, [2, 3, 5]), weight: normals(2, [5]) };
    await checkGradient(({ x, weight }) => rmsNorm(x, { weight }), inputs);
    await checkGradient((x) => rmsNorm(x.transpose()), inputs.x);
    const cube = (p: typeof inputs): Tensor => rmsNorm(p.x, p).pow(3).sum();
    await checkGradient((p) => grad(cube, p).x, inputs, { tolerance: 1e-6 });
  });

  test.each(golden('rmsnorm'))('golden $name', async (c) => {
    const inputs = { x: c.get('in.x'), weight: c.get('param.weight') };
    const eps = c.options['eps'] as number;
    const [, grads] = valueAndGrad(
      ({ x, weight }) => rmsNorm(x, { weight }, { eps }).mul(c.get('in.G.y')).sum(),
      inputs,
    );
    await expectClose(rmsNorm(inputs.x, inputs, { eps }), c.get('out.y'), 1e-9);
    await expectClose(grads.x, c.get('grad.in.x'), 1e-9);
    await expectClose(grads.weight, c.get('grad.param.weight'), 1e-9);
  });
});
