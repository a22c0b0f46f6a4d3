import { describe, expect, test } from 'vitest';
import * as s from './index.js';
import { checkGradients, expectClose, list, sample } from './testkit.js';

type Pair = [s.Tensor, s.Tensor];

/** The same loop in JavaScript, one recorded operation after the other. */
function unrolled<C, X extends s.Tensor>(
  step: (c: C, x: X) => readonly [C, s.Tensor],
  init: C,
  xs: X,
  axis: number,
  reverse = false,
): [C, s.Tensor] {
  const T = xs.shape[axis];
  const ys: s.Tensor[] = [];
  let c = init;
  for (let i = 0; i < T; i++) {
    const t = reverse ? T - 1 - i : i;
    let y: s.Tensor;
    [c, y] = step(c, xs.at(t, axis) as X);
    ys[t] = y;
  }
  return [c, s.stack(ys, axis)];
}

const cell =
  (w: s.Tensor, u: s.Tensor) =>
  (h: s.Tensor, x: s.Tensor): Pair => {
    const z = h.matmul(w.transpose()).add(x).mul(u.exp()).tanh();
    return [z, z.mul(h).add(x)];
  };

describe('scan', () => {
  const w = sample([2, 2]);
  const u = sample([2], { seed: 8 });
  const h0 = sample([3, 2], { seed: 3 });
  const xs = sample([3, 5, 2], { seed: 4 });

  test.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('equals the unrolled loop: reverse %s, checkpoint %s', async (reverse, checkpoint) => {
    const loss =
      (f: (w: s.Tensor, u: s.Tensor, h: s.Tensor, x: s.Tensor) => Pair) =>
      (...p: s.Tensor[]): s.Tensor => {
        const [h, ys] = f(p[0], p[1], p[2], p[3]);
        return s.concat([h.square().reshape([-1]), ys.reshape([-1])]);
      };
    const a = loss((w, u, h, x) => unrolled(cell(w, u), h, x, 1, reverse));
    const b = loss((w, u, h, x) => s.scan(cell(w, u), h, x, { axis: 1, reverse, checkpoint }));
    const p = [w, u, h0, xs];
    expectClose(await list(b(...p)), await list(a(...p)), 1e-14);
    await checkGradients(b, p);
  });

  test.each([false, true])(
    'a loop in the body of a loop has gradients (checkpoint %s)',
    async (checkpoint) => {
      const nested = (init: s.Tensor, w_: s.Tensor, x: s.Tensor): s.Tensor => {
        const outer = (h: s.Tensor, slice: s.Tensor): Pair => s.scan(cell(w_, u), h, slice, { axis: 0 });
        return s.scan(outer, init, x, { checkpoint })[1];
      };
      const blocks = sample([3, 4, 2, 2], { seed: 6 }); // [outer, inner, row, channel]
      const start = sample([2, 2], { seed: 7 });
      const flat = s.scan(cell(w, u), start, blocks.reshape([12, 2, 2]))[1];
      expectClose(await list(nested(start, w, blocks)), await list(flat), 1e-12);
      await checkGradients(nested, [start, w, blocks]);
    },
  );

  test('a loop under checkpoint has the gradients it has without', async () => {
    const f = (x: s.Tensor): s.Tensor => s.scan(cell(w, u), h0, x, { axis: 1 })[1].square().sum();
    const kept = s.grad((x: s.Tensor) => s.checkpoint(f, x), xs);
    expectClose(await list(kept), await list(s.grad(f, xs)), 1e-12);
  });

  test('carries that are swapped, kept, integer and trees', async () => {
    const step = (c: {
      a: s.Tensor;
      b: s.Tensor;
      n: s.Tensor;
      k: s.Tensor;
    }): [typeof c, { n: s.Tensor; a: s.Tensor } | null] => [
      { a: c.b, b: c.a.add(c.b), n: c.n.add(1), k: c.k },
      { n: c.n, a: c.a },
    ];
    const init = { a: s.zeros([1]), b: s.ones([1]), n: s.tensor(0, { dtype: 'i32' }), k: s.full([2], 7) };
    const [c, ys] = s.scan(step, init, null, { length: 10 });
    expect(await list(c.a)).toEqual([55]);
    expect(await list(c.k)).toEqual([7, 7]);
    expect(await list(ys!.n)).toEqual([...Array(10).keys()]);
    expect(await list(ys!.a)).toEqual([0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
    const g = s.grad((a: s.Tensor) => s.scan(step, { ...init, a }, null, { length: 10 })[0].a.sum(), init.a);
    expect(await list(g)).toEqual([34]);
  });

  test('no positions', async () => {
    const f = (h: s.Tensor): s.Tensor => {
      const [c, ys] = s.scan(cell(w, u), h, s.zeros([3, 0, 2], { dtype: 'f64' }), { axis: 1 });
      expect(ys.shape).toEqual([3, 0, 2]);
      return c.square().sum().add(ys.sum());
    };
    expectClose(
      await list(s.grad(f, h0)),
      (await list(h0)).map((v) => 2 * v),
      1e-15,
    );
  });

  test('work that does not depend on the position runs once', () => {
    const plan = s.explain(
      (x: s.Tensor) =>
        s.scan(
          (h: s.Tensor, x: s.Tensor): Pair => {
            const n = h.matmul(w.exp().square()).add(x);
            return [n, n];
          },
          h0,
          x,
          { axis: 1 },
        ),
      xs,
    );
    const count = (op: string): number =>
      plan.kernels.filter((k) => k.op === op).reduce((n, k) => n + k.count, 0);
    expect(count('exp')).toBe(1);
    expect(count('square')).toBe(1);
    expect(count('matmul')).toBe(5);
  });

  test('10,000 positions take no more temporary memory than 10; the body is planned once', async () => {
    const temporary = (T: number): number =>
      s.explain(
        (x: s.Tensor) =>
          s.scan(
            (h: s.Tensor, x: s.Tensor): [s.Tensor, null] => [h.mul(0.9).add(x).tanh(), null],
            s.zeros([8]),
            x,
          )[0],
        s.zeros([T, 8]),
      ).temporaryBytes;
    expect(temporary(10_000)).toBe(temporary(10));
    const device = s.createCpu();
    const x = s.ones([10_000, 8], { device });
    await x.realize();
    device.resetPeak();
    const { bytes } = device.memory();
    const [h] = s.scan(
      (h: s.Tensor, x: s.Tensor): [s.Tensor, null] => [h.mul(0.5).add(x), null],
      s.zeros([8], { device }),
      x,
    );
    expectClose(await list(h), Array<number>(8).fill(2), 1e-6);
    expect(device.memory().peakBytes - bytes).toBeLessThan(2048);
    expect(device.counters.kernels).toBeLessThan(10);
  });

  test('messages', () => {
    expect(() => s.scan((h: s.Tensor): Pair => [s.concat([h, h]), h], h0, xs, { axis: 1 })).toThrow(
      'scan: the carry must keep shapes and element types, leaf 0 was f64 [3, 2] and became f64 [6, 2].',
    );
    expect(() => s.scan((h: s.Tensor): [s.Tensor, null] => [h, null], h0, null)).toThrow(
      'scan: length must be an integer ≥ 0 when xs has no tensors, got undefined.',
    );
    expect(() =>
      s.scan((h: s.Tensor): [s.Tensor, null] => [h, null], h0, [xs, s.zeros([3, 4])], { axis: 1 }),
    ).toThrow('scan: all xs must have 5 positions along axis 1, got [3, 4] (leaf 1).');
  });

  test('reading inside a recorded function is refused', async () => {
    let inner: Promise<unknown> | null = null;
    s.scan(
      (h: s.Tensor): [s.Tensor, null] => {
        inner = h.data();
        inner.catch(() => {});
        return [h, null];
      },
      h0,
      null,
      { length: 1 },
    );
    await expect(inner).rejects.toThrow(
      'data: values cannot be read while a function is being recorded (compile, scan, checkpoint).',
    );
  });
});
