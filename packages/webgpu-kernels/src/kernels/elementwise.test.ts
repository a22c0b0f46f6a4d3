import type { DType, Tensor } from '@seq/tensor';
import * as s from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { random, same, sameGrad, testDevice } from '../testkit.js';

type F1 = (x: Tensor) => Tensor;
type F2 = (a: Tensor, b: Tensor) => Tensor;
const specials = [0, -0, 1, -1, NaN, Infinity, -Infinity, 1e30, -1e30, 0.5, -2.5, 3.5].map(Math.fround);

const functions: [name: string, f: F1, low: number, high: number, tolerance?: number][] = [
  ['neg', s.neg, -5, 5],
  ['abs', s.abs, -5, 5],
  ['sign', s.sign, -5, 5],
  ['floor', s.floor, -5, 5],
  ['ceil', s.ceil, -5, 5],
  ['round', s.round, -5, 5],
  ['square', s.square, -5, 5],
  ['reciprocal', s.reciprocal, 0.1, 5],
  ['sqrt', s.sqrt, 0.1, 50],
  ['rsqrt', s.rsqrt, 0.1, 50],
  ['exp', s.exp, -80, 80],
  ['expm1', s.expm1, -2, 2],
  ['log', s.log, 1e-3, 90],
  ['log1p', s.log1p, -0.9, 9],
  ['sin', s.sin, -1e5, 1e5],
  ['cos', s.cos, -1e5, 1e5],
  ['tan', s.tan, -1.5, 1.5, 1e-5],
  ['tanh', s.tanh, -9, 9],
  ['sigmoid', s.sigmoid, -90, 90],
  ['relu', s.relu, -5, 5],
  ['softplus', s.softplus, -90, 90],
  ['logSigmoid', s.logSigmoid, -90, 90],
  ['silu', s.silu, -30, 30],
  ['gelu', s.gelu, -9, 9],
  ['geluTanh', s.geluTanh, -9, 9],
  ['elu', s.elu, -9, 9],
  ['mish', s.mish, -30, 30],
  ['erf', s.erf, -5, 5],
  ['erfinv', s.erfinv, -0.9999, 0.9999],
];

describe('functions of one tensor', () => {
  test.each(functions)('%s: values, specials, a view', async (_, f, low, high, tolerance = 1e-6) => {
    await same(f, [{ shape: [1000], low, high }], { tolerance });
    await same(f, [{ shape: [specials.length], data: specials }], { tolerance, exact: true });
    await same((x) => f(x.transpose().slice(0, 1, 6)), [{ shape: [5, 7], low, high }], { tolerance });
  });
  // Gradients: sizes.test.ts.
});

describe('functions of two tensors', () => {
  const pairs: [string, F2, number?][] = [
    ['add', s.add],
    ['sub', s.sub],
    ['mul', s.mul],
    ['div', s.div],
    ['pow', s.pow],
    ['mod', s.mod],
    ['maximum', s.maximum],
    ['minimum', s.minimum],
    ['eq', s.eq],
    ['ne', s.ne],
    ['lt', s.lt],
    ['le', s.le],
    ['gt', s.gt],
    ['ge', s.ge],
  ];
  const shapes: [number[], number[]][] = [
    [[64, 16], [16]],
    [
      [64, 16],
      [64, 1],
    ],
    [[], [3, 5]],
    [
      [4, 1, 16],
      [3, 1],
    ],
    [
      [3, 5, 7],
      [5, 1],
    ],
    [[0, 3], [3]],
  ];
  test.each(pairs)('%s: every broadcast, special values, integers', async (name, f) => {
    for (const [a, b] of shapes) {
      await same(f, [
        { shape: a, low: 0.1, high: 4 },
        { shape: b, low: 0.1, high: 4, seed: 3 },
      ]);
    }
    const n = specials.length;
    const inputs = [
      { shape: [n, 1], data: specials },
      { shape: [n], data: specials },
    ];
    await same(f, inputs, { exact: true });
    if (name === 'pow') return;
    const next = random(5);
    for (const dtype of ['i32', 'u32'] as const) {
      const low = dtype === 'i32' ? -(2 ** 31) : 0;
      const words = Array.from({ length: 401 }, (_, i) => Math.floor(low + 2 ** (i % 2 ? 32 : 5) * next()));
      await same(f, [
        { shape: [401], data: words, dtype },
        { shape: [401], data: [...words].reverse(), dtype },
      ]);
    }
  });
  test('integers divided by 0 give 0, as on the CPU', async () => {
    for (const f of [s.div, s.mod] as F2[]) {
      await same(f, [
        { shape: [3], data: [7, -7, 0], dtype: 'i32' },
        { shape: [], data: [0], dtype: 'i32' },
      ]);
      await same(f, [
        { shape: [2], data: [-(2 ** 31), 5], dtype: 'i32' },
        { shape: [], data: [-1], dtype: 'i32' },
      ]);
    }
  });
  test('negative bases with whole exponents; |a| = 1 with infinite ones', async () => {
    const bases = [-3, -2.5, -1, -0.5, 0, 0.5, 1, 2, 10, Infinity];
    const exponents = [-7, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 13, Infinity, -Infinity];
    await same(
      s.pow,
      [
        { shape: [10, 1], data: bases },
        { shape: [12], data: exponents },
      ],
      { exact: true },
    );
  });
  test('gradients', async () => {
    for (const f of [s.add, s.sub, s.mul, s.div, s.pow, s.maximum, s.minimum] as F2[]) {
      await sameGrad(f, [
        { shape: [7, 12], low: 0.5, high: 3 },
        { shape: [12], low: 0.5, high: 3, seed: 8 },
      ]);
    }
  });
});

test('where, logic, isNaN, isFinite', async () => {
  const b = (seed: number): { shape: number[]; dtype: DType; seed: number } => ({
    shape: [6, 8],
    dtype: 'bool',
    seed,
  });
  for (const f of [s.and, s.or, s.eq, s.lt, s.ge] as F2[]) await same(f, [b(1), b(2)]);
  await same(s.not, [b(3)]);
  await same((c, x, y) => s.where(c, x, y), [b(4), { shape: [8] }, { shape: [6, 1], seed: 2 }]);
  for (const f of [s.isNaN, s.isFinite] as F1[])
    await same(f, [{ shape: [12], data: specials }], { exact: true });
});

test('every cast', async () => {
  const data = [
    0,
    -0,
    1.5,
    -1.5,
    300.7,
    -300.7,
    2147483648,
    -2147483648,
    3e9,
    -3e9,
    1e20,
    16777217,
    NaN,
    Infinity,
  ].map(Math.fround);
  const types: DType[] = ['f32', 'i32', 'u32', 'bool'];
  for (const to of types) {
    await same((x) => x.cast(to), [{ shape: [14], data }], { exact: true });
    await same((x) => x.cast(to), [{ shape: [4], data: [0, 1, -1, 2147483647], dtype: 'i32' }], {
      exact: true,
      tolerance: 0,
    });
    await same((x) => x.cast(to), [{ shape: [4], data: [0, 1, 2635190139, 4294967295], dtype: 'u32' }], {
      exact: true,
      tolerance: 0,
    });
    await same((x) => x.cast(to), [{ shape: [2], data: [0, 1], dtype: 'bool' }], { exact: true });
  }
});

test('more workgroups than one dimension holds', async () => {
  const device = await testDevice();
  const n = 65_536 * 256 + 3;
  const x = s.ones([n], { device, dtype: 'f32' });
  const y = x.add(x);
  expect(await y.slice(0, n - 3, n).data()).toEqual(Float32Array.of(2, 2, 2));
  x.dispose();
  y.dispose();
});
