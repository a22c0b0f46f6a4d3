import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { numbers } from '../testkit.js';
import { erf, softplus } from './math.js';

const loops = s.createCpu({ wasm: false });
const builds = [
  s.createCpu({ name: 'relaxed', poison: true }),
  s.createCpu({ name: 'plain', wasm: 'plain', poison: true }),
];

type Program = (...x: s.Tensor[]) => s.Tensor | s.Tensor[];

/** Runs a program on inputs of one shape each, numbers from a fixed sequence, all on one device. */
async function run(
  device: s.Device,
  f: Program,
  shapes: readonly (readonly number[])[],
  dtype: 'f32' | 'f64' = 'f32',
): Promise<number[][]> {
  const inputs = shapes.map((shape, i) => {
    const values = Float32Array.from(numbers(s.sizeOf(shape), 7 + i));
    return s.tensor(dtype === 'f64' ? Float64Array.from(values) : values, { shape, dtype, device });
  });
  const y = f(...inputs);
  return Promise.all((Array.isArray(y) ? y : [y]).map(async (t) => [...(await t.data())]));
}

/** Largest difference relative to the largest magnitude; NaN and infinities must stand in the same places. */
function distance(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  let [diff, size] = [0, 1e-30];
  a.forEach((v, i) => {
    if (!Number.isFinite(v) || !Number.isFinite(b[i])) expect(v).toBe(b[i]);
    else diff = Math.max(diff, Math.abs(v - b[i]));
    if (Number.isFinite(b[i])) size = Math.max(size, Math.abs(b[i]));
  });
  return diff / size;
}

/** The program in f32 on every build equals the same in f64 on the loops. */
async function near(f: Program, shapes: readonly (readonly number[])[], bound: number): Promise<void> {
  const want = await run(loops, f, shapes, 'f64');
  for (const device of builds) {
    const got = await run(device, f, shapes);
    got.forEach((values, i) =>
      expect(distance(values, want[i]), `${device.name}, result ${i}`).toBeLessThan(bound),
    );
  }
}

/** The program in f32 on every build gives the bits of the loops. */
async function same(f: Program, shapes: readonly (readonly number[])[]): Promise<void> {
  const want = await run(loops, f, shapes);
  for (const device of builds) expect(await run(device, f, shapes), device.name).toEqual(want);
}

const T = (x: s.Tensor): s.Tensor => x.transpose();

describe('products', () => {
  const sizes = [
    [1, 1, 1],
    [1, 33, 7],
    [2, 9, 13],
    [3, 5, 7],
    [5, 8, 9],
    [6, 16, 4],
    [7, 9, 300],
    [8, 8, 64],
    [10, 12, 3],
    [13, 29, 37],
    [23, 40, 256],
    [24, 17, 257],
    [1, 100, 600],
    [97, 3, 5],
    [100, 100, 513],
    [9, 1, 11],
    [40, 800, 6],
    [8, 512, 16],
  ];
  test.each(sizes)('%i x %i x %i under every layout', async (m, n, k) => {
    const bound = 6e-8 * (3 + Math.sqrt(k));
    await near(
      (a, b) => s.matmul(a, b),
      [
        [m, k],
        [k, n],
      ],
      bound,
    );
    await near(
      (a, b) => s.matmul(T(a), b),
      [
        [k, m],
        [k, n],
      ],
      bound,
    );
    await near(
      (a, b) => s.matmul(a, T(b)),
      [
        [m, k],
        [n, k],
      ],
      bound,
    );
    await near(
      (a, b) => s.matmul(T(a), T(b)),
      [
        [k, m],
        [n, k],
      ],
      bound,
    );
  });

  test('an element does not depend on the other rows and columns, on strides or on the path', async () => {
    const [m, n, k] = [37, 41, 530];
    for (const device of builds) {
      const a = s.tensor(Float32Array.from(numbers(m * k, 1)), { shape: [m, k], device });
      const b = s.tensor(Float32Array.from(numbers(k * n, 2)), { shape: [k, n], device });
      const whole = await s.matmul(a, b).data();
      const check = async (c: s.Tensor, rows: number, columns: number): Promise<void> => {
        const data = await c.data();
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) expect(data[i * columns + j]).toBe(whole[i * n + j]);
        }
      };
      for (const r of [1, 2, 3, 7, 8, 24]) await check(s.matmul(a.slice(0, 0, r), b), r, n);
      for (const c of [1, 2, 9, 16]) await check(s.matmul(a, b.slice(1, 0, c)), m, c);
      const turned = T(T(b).contiguous());
      for (const r of [1, 3, 37]) await check(s.matmul(a.slice(0, 0, r), turned), r, n);
      await check(s.matmul(T(T(a).contiguous()), turned), m, n);
    }
  });

  test('heads side by side give the bits of heads apart', async () => {
    const [T, H] = [37, 5];
    for (const device of builds) {
      for (const D of [6, 32]) {
        const made = (n: number, shape: number[]): s.Tensor =>
          s.tensor(Float32Array.from(numbers(s.sizeOf(shape), n)), { shape, device });
        const [p, q, x] = [made(1, [H, 1, T]), made(2, [H, 1, D]), made(3, [T, H, D])];
        const heads = x.swapAxes(0, 1);
        const apart = heads.contiguous();
        for (const [a, b, c] of [
          [p, heads, apart],
          [q, heads.swapAxes(1, 2), apart.swapAxes(1, 2)],
        ]) {
          const together = await s.matmul(a, b).data();
          const each = Array.from({ length: H }, (_, h) =>
            s.matmul(a.slice(0, h, h + 1), c.slice(0, h, h + 1)),
          );
          expect(await s.concat(each, 0).data()).toEqual(together);
        }
      }
    }
  });

  test('packed columns give the same bits', () => {
    for (const device of builds) {
      const k = device.heap!.kernels;
      const [m, n, depth] = [29, 45, 300];
      const take = (length: number): Float32Array => device.allocate('f32', length).as('f32') as Float32Array;
      const [a, b, c, d] = [take(m * depth), take(depth * n), take(m * n), take(m * n)];
      const packed = take(depth * 48);
      a.set(numbers(m * depth, 1));
      b.set(numbers(depth * n, 2));
      for (const [row, column] of [
        [n, 1],
        [1, depth],
      ]) {
        k.packColumns(packed.byteOffset, n, depth, b.byteOffset, row, column);
        for (const rows of [1, 2, 3, 8, 29]) {
          for (const add of [false, true]) {
            c.fill(0.5);
            d.fill(0.5);
            k.gemm(rows, n, depth, a.byteOffset, depth, 1, b.byteOffset, row, column, c.byteOffset, n, add);
            k.gemmPacked(rows, n, depth, a.byteOffset, depth, 1, packed.byteOffset, d.byteOffset, n, add);
            expect(d.findIndex((v, i) => v !== c[i])).toBe(-1);
          }
        }
      }
    }
  });

  test('batches, broadcasts, repeated and empty operands', async () => {
    await near(
      (a, b) => s.matmul(a, b),
      [
        [3, 1, 5, 7],
        [4, 7, 6],
      ],
      1e-6,
    );
    await near(
      (a, b) => s.matmul(a.swapAxes(0, 1), T(b)),
      [
        [3, 4, 5, 7],
        [2, 7],
      ].map((x, i) => (i ? [6, 7] : x)),
      1e-6,
    );
    await near(
      (a, b) => s.matmul(a.broadcastTo([9, 30]), b),
      [
        [1, 30],
        [30, 9],
      ],
      1e-6,
    );
    await same(
      (a, b) => s.matmul(a, b),
      [
        [3, 0],
        [0, 4],
      ],
    );
    await same(
      (a, b) => s.matmul(a, b),
      [
        [0, 3],
        [3, 4],
      ],
    );
  });

  test('infinities and NaN stay in their rows and columns', async () => {
    for (const device of builds) {
      const a = s.ones([9, 12], { device }).add(0);
      const x = s.concat([a.slice(0, 0, 8), a.slice(0, 8).mul(Infinity)], 0);
      const y = await s.matmul(x, s.ones([12, 11], { device })).data();
      y.forEach((v, i) => expect(v).toBe(i < 88 ? 12 : Infinity));
    }
  });
});

/** The distance of neighbouring f32 numbers at y. */
const ulp = (y: number): number => 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(y)))) - 23);

describe('functions: error bounds of docs/cpu.md', () => {
  /** erfc by its continued fraction where it is small. */
  const erfc = (x: number): number => {
    if (x < 2) return 1 - erf(x);
    let f = 0;
    for (let k = 200; k > 0; k--) f = k / 2 / (x + f);
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
  };
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const cases: [
    name: string,
    f: (x: s.Tensor) => s.Tensor,
    g: (x: number) => number,
    ulps: number,
    range: number,
  ][] = [
    ['exp', s.exp, Math.exp, 1.5, 87],
    ['log', s.log, Math.log, 1, 1e6],
    ['tanh', s.tanh, Math.tanh, 1.5, 20],
    ['sigmoid', s.sigmoid, sigmoid, 2.5, 87],
    ['erf', s.erf, erf, 3, 6],
    ['silu', s.silu, (x) => x * sigmoid(x), 3.5, 80],
    ['softplus', s.softplus, softplus, 3.5, 80],
    ['logSigmoid', s.logSigmoid, (x) => -softplus(-x), 3.5, 80],
    ['gelu, |x| < 1.4', s.gelu, (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)), 15, 1.4],
    [
      'gelu, x > 0',
      (x) => s.gelu(x.abs()),
      (x) => 0.5 * Math.abs(x) * (1 + erf(Math.abs(x) * Math.SQRT1_2)),
      5,
      20,
    ],
    [
      'geluTanh, |x| < 1.4',
      s.geluTanh,
      (x) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)),
      6,
      1.4,
    ],
    ['rsqrt', s.rsqrt, (x) => 1 / Math.sqrt(x), 1.5, 1e6],
  ];
  test.each(cases)('%s', async (name, f, g, ulps, range) => {
    const u = numbers(100_000, 5);
    const points = Float32Array.from([...u.map((v) => v * range), ...u.map((v) => range * v ** 9)]);
    const x = /log$|rsqrt/.test(name) ? points.map(Math.abs).filter((v) => v > 0) : points;
    for (const device of builds) {
      const y = await f(s.tensor(x, { device })).data();
      let worst = 0;
      x.forEach((v, i) => {
        const want = g(v);
        const error = Math.abs(y[i] - want) / ulp(want);
        // NaN must not pass.
        if (!(error <= worst)) worst = error;
      });
      expect(worst, device.name).toBeLessThan(ulps);
    }
  });

  test('the tails of gelu keep their digits', async () => {
    const x = Float32Array.from({ length: 200 }, (_, i) => -2 - i / 20);
    const g = Array.from(x, (v) => (v / 2) * erfc(-v * Math.SQRT1_2));
    for (const device of builds) {
      const y = await s.gelu(s.tensor(x, { device })).data();
      y.forEach((v, i) => expect(Math.abs(v / g[i] - 1)).toBeLessThan(3e-5));
    }
  });

  test('limits, signed zeros, subnormals and NaN are those of the loops', async () => {
    const x = [0, -0, Infinity, -Infinity, NaN, 1e-40, -1e-40, 89, -95, -200, 3e38, -3e38];
    const functions = [
      s.exp,
      s.tanh,
      s.sigmoid,
      s.softplus,
      s.logSigmoid,
      s.relu,
      s.neg,
      s.abs,
      s.sqrt,
      s.reciprocal,
      s.square,
    ];
    for (const device of builds) {
      for (const f of functions) {
        const [got, want] = [f(s.tensor(x, { device })), f(s.tensor(x, { device: loops }))];
        expect([...(await got.data())], f.name).toEqual([...(await want.data())]);
      }
      const at = s.tensor([0, -0, Infinity, -Infinity, NaN], { device });
      expect([...(await s.log(at).data())]).toEqual([-Infinity, -Infinity, Infinity, NaN, NaN]);
      expect([...(await s.erf(at).data())]).toEqual([0, -0, 1, -1, NaN]);
      expect([...(await s.silu(at).data())]).toEqual([0, -0, Infinity, -0, NaN]);
      expect([...(await s.gelu(at).data())]).toEqual([0, -0, Infinity, -0, NaN]);
    }
  });

  test('the bits of an element do not depend on where it stands', async () => {
    for (const device of builds) {
      const x = s.tensor(Float32Array.from(numbers(61 * 7, 2)), { shape: [61, 7], device });
      for (const f of [s.exp, s.tanh, s.gelu, s.log, s.softplus]) {
        const y = await f(x).data();
        expect(await f(x.slice(0, 3)).data()).toEqual(y.slice(21));
        expect(await f(x.transpose()).transpose().contiguous().data()).toEqual(y);
      }
    }
  });
});

describe('element by element', () => {
  const shapes = [
    [[5], [5]],
    [[3, 7], [7]],
    [
      [4, 1, 9],
      [3, 1],
    ],
    [
      [2, 3, 4, 5],
      [3, 1, 5],
    ],
    [
      [6, 8],
      [6, 1],
    ],
    [[1], [33]],
    [[], [3]],
    [[0, 3], [3]],
  ];
  test.each(shapes)('%j with %j gives the bits of the loops', async (a, b) => {
    for (const f of [s.add, s.sub, s.mul, s.div, s.maximum, s.minimum]) {
      await same((x, y) => f(x, y), [a, b]);
      await same((x, y) => f(y, x), [a, b]);
      await same((x, y) => f(T2(x), T2(y).add(0)), [a, a]);
    }
  });
  /** Turned where there are two axes to turn. */
  const T2 = (x: s.Tensor): s.Tensor => (x.shape.length > 1 ? x.swapAxes(-1, -2) : x);

  test('where, with every operand broadcast', async () => {
    const shapes = [[3, 4, 9], [9], [4, 1], [1], [3, 1, 1], [4, 9]];
    for (const c of shapes) {
      for (const a of shapes) {
        await same((x, y, z) => s.where(x.gt(0), y, z), [c, a, [3, 4, 9]]);
        await same((x, y, z) => s.where(x.gt(0), z, y), [c, a, [4, 9]]);
        await same((x, y) => s.where(T2(x.gt(0)), T2(y), 7), [c, c]);
      }
    }
    await same((x) => s.where(x.gt(0), x.cast('i32'), 3), [[5, 7]]);
  });

  test('NaN and signed zeros of maximum and minimum', async () => {
    const [a, b] = [
      [NaN, 1, 0, -0, Infinity],
      [1, NaN, -0, 0, -Infinity],
    ];
    for (const device of builds) {
      const [x, y] = [s.tensor(a, { device }), s.tensor(b, { device })];
      expect([...(await s.maximum(x, y).data())]).toEqual([NaN, NaN, 0, 0, Infinity]);
      expect([...(await s.minimum(x, y).data())]).toEqual([NaN, NaN, -0, -0, -Infinity]);
    }
  });
});

describe('along axes', () => {
  const shapes = [[1], [3], [4], [9], [2, 5], [3, 64], [7, 65], [2, 3, 131], [5, 1], [0, 4], [4, 1030]];
  test.each(shapes.map((x) => [x]))('%j: softmax and its kin', async (shape) => {
    await near((x) => s.softmax(x.mul(5)), [shape], 1e-6);
    await near((x) => s.logSoftmax(x.mul(5)), [shape], 1e-6);
    await near((x) => s.logSumExp(x.mul(5), -1), [shape], 1e-6);
    await near((x, g) => s.grad((y: s.Tensor) => y.softmax().mul(g).sum(), x), [shape, shape], 2e-6);
  });

  test('rows of −∞, with ∞, with NaN', async () => {
    const rows = [
      [-Infinity, -Infinity, -Infinity],
      [0, -Infinity, 1],
      [0, Infinity, 1],
      [NaN, 0, 1],
      [-Infinity, NaN, -Infinity],
      [Infinity, NaN, 0],
      [NaN, 1, Infinity],
      [3e38, -3e38, 0],
    ];
    for (const f of [
      (x: s.Tensor) => x.softmax(),
      (x: s.Tensor) => x.logSoftmax(),
      (x: s.Tensor) => x.logSumExp(-1),
    ]) {
      const want = [...(await f(s.tensor(rows, { device: loops })).data())];
      for (const device of builds)
        expect(distance([...(await f(s.tensor(rows, { device })).data())], want)).toBeLessThan(1e-6);
    }
  });

  test('sums and maxima over any axes', async () => {
    for (const axes of [0, 1, 2, [0, 1], [0, 2], [1, 2], [0, 1, 2]]) {
      await near((x) => x.sum(axes), [[5, 7, 19]], 2e-7);
      await near((x) => x.swapAxes(0, 2).sum(axes), [[5, 7, 19]], 2e-7);
      await same((x) => x.max(axes), [[5, 7, 19]]);
      await same((x) => x.min(axes), [[5, 7, 19]]);
    }
    for (const device of builds) {
      const x = s.full([1001], 0.1, { device });
      expect(
        await s
          .concat([s.full([1], 1e8, { device }), x, s.full([1], -1e8, { device })], 0)
          .sum()
          .item(),
      ).toBeCloseTo(100.1, 4);
      expect(await s.tensor([1, NaN, 3], { device }).max().item()).toBeNaN();
    }
  });

  test.each([[[7]], [[5, 3]], [[4, 16]], [[3, 33, 21]], [[2, 70, 5]]])(
    '%j: running sums have the bits of the loops',
    async (shape) => {
      for (const axis of shape.keys()) {
        for (const o of [{}, { reverse: true }, { exclusive: true }, { reverse: true, exclusive: true }]) {
          await same((x) => s.cumsum(x, axis, o), [shape]);
        }
      }
    },
  );

  test.each([[[1, 9, 3]], [[2, 17, 64]], [[2, 5, 70]], [[3, 1, 4]], [[2, 0, 4]], [[2, 33, 2, 5]]])(
    '%j: linear recurrence',
    async (shape) => {
      const rest = [shape[0], ...shape.slice(2)];
      for (const reverse of [false, true]) {
        await near(
          (a, x, h) => s.linearRecurrence(a, x, { initial: h, reverse }),
          [shape, shape, rest],
          1e-6,
        );
        await near((a, x) => s.linearRecurrence(a, x, { reverse }), [shape, shape], 1e-6);
        await near(
          (a, x) => s.linearRecurrence(a, x, { reverse }),
          [[1, 1, 1], shape].map((d) => (shape.length === 4 && d.length === 3 ? [1, 1, 1, 1] : d)),
          1e-6,
        );
      }
    },
  );
});

describe('moving', () => {
  test('turned, sliced and picked elements are the same elements', async () => {
    for (const shape of [
      [1, 1],
      [4, 4],
      [5, 7],
      [33, 18],
    ])
      await same((x) => T(x).contiguous(), [shape]);
    await same((x) => x.transpose([2, 0, 3, 1]).contiguous(), [[3, 5, 4, 6]]);
    await same((x) => x.transpose([0, 2, 1, 3]).contiguous(), [[2, 5, 3, 200]]);
    await same((x) => x.flip(1).contiguous(), [[5, 9]]);
    await same((x) => x.slice(1, 2, 7).contiguous(), [[4, 9]]);
    const index = (x: s.Tensor): s.Tensor => s.tensor([2, 0, 2, 1], { dtype: 'i32', device: x.device });
    for (const q of [1, 3, 4, 130, 300]) {
      await same((x) => s.gather(x, index(x)), [[3, q]]);
      await same((x) => s.gather(x, index(x), 1), [[2, 3, q]]);
      await same(
        (x, u) => s.scatterAdd(x, index(x), u),
        [
          [3, q],
          [4, q],
        ],
      );
      await same(
        (x, u) => s.scatterAdd(x, index(x), u, 1),
        [
          [2, 3, q],
          [2, 4, q],
        ],
      );
    }
    for (const device of builds) {
      const bad = s.tensor([0, 3], { dtype: 'i32', device });
      await expect(s.gather(s.ones([3, 2], { device }), bad).data()).rejects.toThrow(
        /gather: index must be in \[0, 2\], got 3 \(element 1/,
      );
      await expect(
        s
          .scatterAdd(
            s.ones([3, 2], { device }),
            s.tensor([-1], { dtype: 'i32', device }),
            s.ones([1, 2], { device }),
          )
          .data(),
      ).rejects.toThrow(/scatterAdd.*got -1/);
    }
  });
});

describe('convolution and cross-entropy', () => {
  const cases: [T: number, I: number, O: number, W: number, o: s.Conv1dOptions][] = [
    [9, 3, 5, 4, {}],
    [9, 3, 5, 4, { padding: 'same', dilation: 2 }],
    [20, 8, 16, 3, { stride: 2, padding: [3, 1] }],
    [13, 4, 6, 3, { groups: 2, padding: 'valid', dilation: 3 }],
    [2, 3, 4, 5, {}],
    [2, 3, 4, 5, { padding: [4, 9], stride: 3 }],
    [30, 12, 12, 4, { groups: 12 }],
    [30, 13, 13, 3, { groups: 13, stride: 2, dilation: 2, padding: 'same' }],
    [3, 9, 9, 5, { groups: 9, padding: [6, 7] }],
    [0, 4, 4, 3, {}],
  ];
  test.each(cases)('T %i, %i → %i, width %i, %j', async (length, I, O, W, o) => {
    const shapes = [
      [2, length, I],
      [W, I / (o.groups ?? 1), O],
    ];
    await near((x, w) => s.conv1d(x, w, o), shapes, 1e-6);
    await near(
      (x, w) => {
        const f = (y: s.Tensor, v: s.Tensor): s.Tensor => s.conv1d(y, v, o).square().sum();
        return [s.grad((y: s.Tensor) => f(y, w), x), s.grad((v: s.Tensor) => f(x, v), w)];
      },
      shapes,
      3e-6,
    );
  });

  test('losses and their gradients', async () => {
    for (const V of [2, 5, 130]) {
      for (const labelSmoothing of [0, 0.1]) {
        const loss = (x: s.Tensor): s.Tensor => {
          const y = s.tensor([0, V - 1, -100, V >> 1], { dtype: 'i32', device: x.device });
          return s.crossEntropy(x.mul(4), y, { labelSmoothing });
        };
        await near((x) => [loss(x), s.grad(loss, x)], [[4, V]], 2e-6);
      }
    }
  });
});

test('an op of somebody else on the kernels, as in docs/cpu.md', async () => {
  const gateOp = s.defineOp<null>({
    name: 'gate',
    infer: ([x]) => x,
    cpu(call) {
      const [x, y] = [call.inputs[0], call.outputs[0]];
      const n = x.shape.reduce((p, d) => p * d, 1);
      const kernels = x.data instanceof Float32Array ? s.kernelsOf(call) : null;
      if (kernels !== null) kernels.sigmoidRow(s.address(y), s.address(x), 1, n);
      else for (let i = 0; i < n; i++) y.data[y.offset + i] = 1 / (1 + Math.exp(-x.data[x.offset + i]));
    },
  });
  await near((x) => s.apply1(gateOp, [x.slice(0, 1)], null), [[5, 7]], 3e-7);
});
