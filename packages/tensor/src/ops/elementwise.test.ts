import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, expectClose, list, sample } from '../testkit.js';
import { fromHalf, toHalf } from '../cpu/half.js';

type F1 = (x: s.Tensor) => s.Tensor;

const gelu = (x: number): number => {
  // Φ by its Taylor series around 0, exact to 1e-15 for the arguments used here.
  let term = x;
  let sum = x;
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / (2 * n);
    sum += term / (2 * n + 1);
  }
  return x * (0.5 + sum / Math.sqrt(2 * Math.PI));
};

const functions: [name: string, f: F1, definition: (x: number) => number, domain?: (u: number) => number][] =
  [
    ['neg', s.neg, (x) => -x],
    ['abs', s.abs, Math.abs],
    ['square', s.square, (x) => x * x],
    ['reciprocal', s.reciprocal, (x) => 1 / x, (u) => u + 2],
    ['sqrt', s.sqrt, Math.sqrt, (u) => u + 1.5],
    ['rsqrt', s.rsqrt, (x) => 1 / Math.sqrt(x), (u) => u + 1.5],
    ['exp', s.exp, Math.exp],
    ['expm1', s.expm1, Math.expm1],
    ['log', s.log, Math.log, (u) => u + 1.5],
    ['log1p', s.log1p, Math.log1p, (u) => u * 0.9],
    ['sin', s.sin, Math.sin],
    ['cos', s.cos, Math.cos],
    ['tan', s.tan, Math.tan],
    ['tanh', s.tanh, Math.tanh],
    ['sigmoid', s.sigmoid, (x) => 1 / (1 + Math.exp(-x))],
    ['erf', s.erf, (x) => (2 * gelu(x * Math.SQRT2)) / (x * Math.SQRT2) - 1],
    ['relu', s.relu, (x) => Math.max(x, 0)],
    ['softplus', s.softplus, (x) => Math.log(1 + Math.exp(x)), (u) => 6 * u],
    ['logSigmoid', s.logSigmoid, (x) => -Math.log(1 + Math.exp(-x)), (u) => 6 * u],
    ['silu', s.silu, (x) => x / (1 + Math.exp(-x)), (u) => 4 * u],
    ['gelu', s.gelu, gelu, (u) => 3 * u],
    [
      'geluTanh',
      s.geluTanh,
      (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
      (u) => 3 * u,
    ],
    ['elu', s.elu, (x) => (x > 0 ? x : Math.exp(x) - 1)],
    ['mish', s.mish, (x) => x * Math.tanh(Math.log(1 + Math.exp(x))), (u) => 4 * u],
  ];

describe('functions of one tensor', () => {
  test.each(functions)('%s: value, strides, gradients', async (_, f, definition, domain = (u) => u) => {
    const x = sample([3, 5], { map: domain });
    const want = (await list(x)).map(definition);
    expectClose(await list(f(x)), want, 1e-13);
    expectClose(await list(f(x.transpose()).transpose()), want, 1e-13);
    expectClose(await list(f(x.cast('f32'))), want, 3e-7);
    await checkGradients(f, [sample([7], { seed: 3, map: domain })]);
  });

  test('saturated arguments give limits, not NaN', async () => {
    const x = s.tensor([-1e4, -90, 90, 1e4], { dtype: 'f32' });
    expect(await list(s.sigmoid(x))).toEqual([0, Math.fround(Math.exp(-90) / (1 + Math.exp(-90))), 1, 1]);
    expect(await list(s.softplus(x))).toEqual([0, Math.fround(Math.exp(-90)), 90, 1e4]);
    expect(await list(s.logSigmoid(x))).toEqual([-1e4, -90, Math.fround(-Math.exp(-90)), -0]);
    expect(await list(s.tanh(x))).toEqual([-1, -1, 1, 1]);
    expect(await list(s.gelu(x))).toEqual([-0, -0, 90, 1e4]);
    expect(await list(s.mish(x).isFinite())).toEqual([1, 1, 1, 1]);
  });

  test('erf and its inverse are exact to double precision', async () => {
    // By 60 digits of its series; 2 is where the formula changes.
    const exact: [x: number, erf: number][] = [
      [0, 0],
      [1e-300, 1.1283791670955126e-300],
      [0.1, 0.1124629160182849],
      [-0.5, -0.5204998778130465],
      [1, 0.8427007929497149],
      [1.5, 0.9661051464753108],
      [2, 0.9953222650189527],
      [-3, -0.9999779095030014],
      [5, 0.9999999999984626],
      [30, 1],
      [-Infinity, -1],
      [NaN, NaN],
    ];
    const got = await list(
      s.erf(
        s.tensor(
          exact.map(([x]) => x),
          { dtype: 'f64' },
        ),
      ),
    );
    for (const [i, [, want]] of exact.entries())
      if (want === 0 || Number.isNaN(want)) expect(got[i]).toBe(want);
      else expect(Math.abs(got[i] / want - 1)).toBeLessThan(2e-15);
    expect(await s.erf(s.tensor(-0, { dtype: 'f64' })).item()).toBe(-0);
    const p = s.tensor([-0.9999, -0.3, 1e-9, 0.7, 0.999999], { dtype: 'f64' });
    expectClose(await list(s.erf(s.erfinv(p))), await list(p), 1e-14);
    await checkGradients(s.erfinv, [sample([5], { map: (u) => 0.8 * u })]);
  });

  test('rounding: floor, ceil, halves to even', async () => {
    const x = s.tensor([-2.5, -1.5, -0.4, 0.5, 1.5, 2.5]);
    expect(await list(s.round(x))).toEqual([-2, -2, -0, 0, 2, 2]);
    expect(await list(s.floor(x))).toEqual([-3, -2, -1, 0, 1, 2]);
    expect(await list(s.ceil(x))).toEqual([-2, -1, -0, 1, 2, 3]);
    expect(await list(s.clip(x, -1, 1))).toEqual([-1, -1, Math.fround(-0.4), 0.5, 1, 1]);
  });
});

describe('functions of two tensors', () => {
  const cases: [string, (a: s.Tensor, b: s.Tensor) => s.Tensor, (a: number, b: number) => number][] = [
    ['add', s.add, (a, b) => a + b],
    ['sub', s.sub, (a, b) => a - b],
    ['mul', s.mul, (a, b) => a * b],
    ['div', s.div, (a, b) => a / b],
    ['pow', s.pow, (a, b) => a ** b],
    ['mod', s.mod, (a, b) => a - Math.floor(a / b) * b],
    ['maximum', s.maximum, Math.max],
    ['minimum', s.minimum, Math.min],
  ];
  test.each(cases)('%s: value, every broadcast, gradients', async (_, f, definition) => {
    for (const [sa, sb] of [
      [
        [2, 3],
        [2, 3],
      ],
      [[2, 3], [3]],
      [
        [2, 1],
        [1, 3],
      ],
      [[], [2, 3]],
      [
        [4, 1, 3],
        [2, 1],
      ],
    ] as const) {
      const a = sample(sa, { seed: 5, map: (u) => u + 1.7 });
      const b = sample(sb, { seed: 6, map: (u) => 0.7 * u + 1.6 });
      const y = f(a, b);
      const [av, bv] = [await list(a.broadcastTo(y.shape)), await list(b.broadcastTo(y.shape))];
      expectClose(
        await list(y),
        av.map((v, i) => definition(v, bv[i])),
        1e-12,
      );
      await checkGradients(f, [a, b]);
    }
  });

  test('numbers take the type of the other operand', async () => {
    const i = s.tensor([7, -7], { dtype: 'i32' });
    expect(i.div(2).dtype).toBe('i32');
    expect(await list(i.div(2))).toEqual([3, -3]);
    expect(await list(i.mod(4))).toEqual([3, 1]);
    expect(await list(s.sub(10, i))).toEqual([3, 17]);
    const big = s.tensor([0x7fffffff], { dtype: 'i32' });
    expect(await list(big.mul(big))).toEqual([1]);
  });

  test('comparison, logic and where', async () => {
    const a = s.tensor([1, 2, 3]);
    const b = s.tensor([3, 2, 1]);
    const table: [s.Tensor, number[]][] = [
      [a.eq(b), [0, 1, 0]],
      [a.ne(b), [1, 0, 1]],
      [a.lt(b), [1, 0, 0]],
      [a.le(b), [1, 1, 0]],
      [a.gt(b), [0, 0, 1]],
      [a.ge(b), [0, 1, 1]],
      [a.lt(b).or(a.gt(b)), [1, 0, 1]],
      [a.le(b).and(a.ge(b)), [0, 1, 0]],
      [a.eq(b).not(), [1, 0, 1]],
    ];
    for (const [t, want] of table) {
      expect(t.dtype).toBe('bool');
      expect(await list(t)).toEqual(want);
    }
    expect(await list(s.where(a.gt(1), a, 0))).toEqual([0, 2, 3]);
    await checkGradients((x, y) => s.where(x.gt(y), x.mul(2), y), [sample([4]), sample([3, 4], { seed: 9 })]);
  });
});

describe('element types', () => {
  test('half precision rounds to nearest even and survives a round trip', async () => {
    for (let bits = 0; bits < 0x7c00; bits++) expect(toHalf(fromHalf(bits))).toBe(bits);
    // 1 + 2⁻¹¹ lies halfway between two halves; the even one is 1.
    expect(fromHalf(toHalf(1 + 2 ** -11))).toBe(1);
    expect(fromHalf(toHalf(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
    expect(fromHalf(toHalf(70000))).toBe(Infinity);
    expect(fromHalf(toHalf(2 ** -25))).toBe(0);
    const h = s.tensor([0.1, -65504, 1e-7], { dtype: 'f16' });
    expectClose(await list(h), [0.0999755859375, -65504, 1.1920928955078125e-7], 0);
    expectClose(
      await list(h.cast('f32').mul(2).cast('f16')),
      [0.199951171875, -Infinity, 2.384185791015625e-7],
      0,
    );
  });

  test('squares of integers wrap around, bit for bit', async () => {
    const ints = [65_537, -123_456_789, 2_147_483_647, -2_147_483_648, 3];
    const want = ints.map((v) => Math.imul(v, v));
    expect(await list(s.tensor(ints, { dtype: 'i32' }).square())).toEqual(want);
    const words = s.tensor(
      ints.map((v) => v >>> 0),
      { dtype: 'u32' },
    );
    expect(await list(words.square())).toEqual(want.map((v) => v >>> 0));
  });

  test('cast truncates towards zero and tests for bool', async () => {
    expect(await list(s.tensor([-1.7, 0, 2.9]).cast('i32'))).toEqual([-1, 0, 2]);
    expect(await list(s.tensor([-1.7, 0, 2.9]).cast('bool'))).toEqual([1, 0, 1]);
    await checkGradients((x) => x.cast('f32').cast('f64').mul(x), [sample([3])], {
      tolerance: 1e-2,
      h: 1e-2,
      second: false,
    });
  });

  test('mixed types, f16 arithmetic and two numbers are refused with a remedy', () => {
    expect(() => s.tensor([1]).add(s.tensor([1], { dtype: 'i32' }))).toThrow(
      'add: element types must agree, got f32 and i32. Use cast() on one of them.',
    );
    expect(() => s.tensor([1], { dtype: 'f16' }).exp()).toThrow(
      'exp: the element type must be f32 or f64, got f16. Use cast() first: f16 is a storage type.',
    );
    expect(() => s.add(1, 2)).toThrow('add: one operand must be a tensor, got two numbers.');
    expect(() => s.where(s.tensor([1]), 1, 2)).toThrow('where: the condition must be bool, got f32.');
    expect(() => s.tensor([1, 2]).add(s.tensor([1, 2, 3]))).toThrow(
      'add: shapes must broadcast, got [2] and [3] (2 ≠ 3, last axis).',
    );
  });
});
