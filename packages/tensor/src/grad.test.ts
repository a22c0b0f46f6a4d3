import { describe, expect, test } from 'vitest';
import * as s from './index.js';
import { checkGradients, expectClose, list, sample } from './testkit.js';

describe('gradients', () => {
  test('trees keep their structure; integer leaves get zeros; aux comes along', async () => {
    const params = {
      w: sample([2]),
      parts: [sample([2], { seed: 2 })],
      steps: s.tensor([3], { dtype: 'i32' }),
      name: 'net',
    };
    const [[loss, aux], g] = s.valueAndGrad(
      (p: typeof params, scale: number) => {
        const y = p.w.mul(p.parts[0]).sum().mul(scale);
        return [y, { half: y.div(2) }] as const;
      },
      params,
      3,
    );
    expect(Object.keys(g)).toEqual(['w', 'parts', 'steps', 'name']);
    expectClose(
      await list(g.w),
      (await list(params.parts[0])).map((v) => 3 * v),
      1e-15,
    );
    expect(await list(g.steps)).toEqual([0]);
    expect(g.name).toBe('net');
    expect(await aux.half.item()).toBeCloseTo((await loss.item()) / 2, 15);
  });

  test('the same tensor twice, as parameter and as data, is told apart', async () => {
    const x = s.tensor([2, 3], { dtype: 'f64' });
    expect(await list(s.grad((p: s.Tensor) => p.mul(x).sum(), x))).toEqual([2, 3]);
    const g = s.grad((p: { a: s.Tensor; b: s.Tensor }) => p.a.mul(p.a).mul(p.b).sum(), { a: x, b: x });
    expect(await list(g.a)).toEqual([8, 18]);
    expect(await list(g.b)).toEqual([4, 9]);
  });

  test('third derivatives by nesting', async () => {
    const f = (x: s.Tensor): s.Tensor => x.square().square().sum();
    const d =
      (g: (x: s.Tensor) => s.Tensor) =>
      (x: s.Tensor): s.Tensor =>
        s.grad((y: s.Tensor) => g(y).sum(), x);
    expect(await list(d(d(d(f)))(s.tensor([2], { dtype: 'f64' })))).toEqual([48]);
  });

  test('vjp takes cotangents as a tree or made from the output', async () => {
    const [x, y] = [sample([3]), sample([3], { seed: 2 })];
    const f = (a: s.Tensor, b: s.Tensor): { p: s.Tensor; q: s.Tensor } => ({ p: a.mul(b), q: a.exp() });
    const [out, [ga, gb]] = s.vjp(f, [x, y] as const, { p: s.onesLike(x), q: s.fullLike(x, 2) });
    const [xs, ys] = [await list(x), await list(y)];
    expectClose(
      await list(ga),
      xs.map((v, i) => ys[i] + 2 * Math.exp(v)),
      1e-15,
    );
    expectClose(await list(gb), xs, 1e-15);
    expectClose(await list(out.q), xs.map(Math.exp), 1e-15);
    const [, [h]] = s.vjp(
      (a: s.Tensor) => a.square(),
      [x] as const,
      (o) => o,
    );
    expectClose(
      await list(h),
      xs.map((v) => 2 * v ** 3),
      1e-14,
    );
  });

  test('stopGradient stops, in recorded functions too', async () => {
    const x = s.tensor([2], { dtype: 'f64' });
    expect(await list(s.grad((p: s.Tensor) => p.mul(s.stopGradient(p)).sum(), x))).toEqual([2]);
    expect(
      await list(
        s.grad((p: s.Tensor) => s.checkpoint((q: s.Tensor) => q.mul(s.stopGradient(q)), p).sum(), x),
      ),
    ).toEqual([2]);
    const loop = (v: s.Tensor): s.Tensor =>
      s.scan(
        (h: s.Tensor, u: s.Tensor): [s.Tensor, null] => [s.stopGradient(h).mul(2).add(u), null],
        s.zeros([]),
        v,
      )[0];
    expect(await list(s.grad(loop, s.tensor([1, 2, 3])))).toEqual([0, 0, 1]);
  });

  test('checkpoint gives the same gradients, closures included, and keeps less', async () => {
    const x = sample([6, 8]);
    const ws = Array.from({ length: 6 }, (_, i) => sample([8, 8], { seed: i + 2 }));
    const layer = (h: s.Tensor, w: s.Tensor): s.Tensor => h.matmul(w).tanh().mul(1.5).tanh();
    const plain = (p: s.Tensor[]): s.Tensor => p.reduce(layer, x).square().sum();
    const saving = (p: s.Tensor[]): s.Tensor =>
      p
        .reduce((h, w) => s.checkpoint((v: s.Tensor) => layer(v, w), h), x)
        .square()
        .sum();
    const [a, b] = [s.grad(plain, ws), s.grad(saving, ws)];
    for (let i = 0; i < ws.length; i++) expectClose(await list(b[i]), await list(a[i]), 1e-14);
    await checkGradients((v) => s.checkpoint((u: s.Tensor) => u.exp().mul(u), v), [sample([3])]);
    const wide = s.zeros([512, 8]);
    const bytes = (f: typeof plain): number =>
      s.explain(
        (p: s.Tensor[]) => s.grad(f, p),
        ws.map((w) => w.cast('f32')),
      ).temporaryBytes;
    const big =
      (save: boolean) =>
      (p: s.Tensor[]): s.Tensor =>
        p
          .reduce((h, w) => (save ? s.checkpoint((v: s.Tensor) => layer(v, w), h) : layer(h, w)), wide)
          .square()
          .sum();
    expect(bytes(big(true))).toBeLessThan(0.7 * bytes(big(false)));
  });

  test('custom ops: a reference alone, and a kernel with its own gradient', async () => {
    const cube = s.defineOp<null>({
      name: 'cube',
      infer: ([x]) => x,
      reference: ([x]) => x.mul(x).mul(x),
    });
    await checkGradients((x) => s.apply1(cube, [x], null), [sample([4])]);
    let kernels = 0;
    const fused = s.defineOp<null>({
      ...cube,
      name: 'fusedCube',
      cpu({ inputs, outputs }) {
        kernels++;
        const [x, y] = [inputs[0], outputs[0]];
        for (let i = 0; i < x.shape[0]; i++) y.data[y.offset + i] = x.data[x.offset + i] ** 3;
      },
      vjp: ({ inputs, cotangents }) => [inputs[0].square().mul(3).mul(cotangents[0]!)],
    });
    await checkGradients((x) => s.apply1(fused, [x], null), [sample([4])]);
    expect(kernels).toBeGreaterThan(0);
    // A device that runs references ignores the kernel and the rule, and leaves nothing of their inside behind.
    kernels = 0;
    const device = s.createCpu({ references: true });
    const one = s.ones([2], { device });
    const y = s.apply1(fused, [one], null);
    await y.data();
    expect(device.memory().tensors).toBe(2);
    await checkGradients((x) => s.apply1(fused, [x], null), [sample([4], { device })]);
    expect(kernels).toBe(0);
  });

  test('messages', () => {
    const x = s.ones([2, 3]);
    expect(() => s.grad((p: s.Tensor) => p.mul(2), x)).toThrow(
      'valueAndGrad: loss must be a scalar, got [2, 3]. Did you mean mean(loss)?',
    );
    expect(() => s.grad((p: s.Tensor) => p.argMax(1).sum(), x)).toThrow(
      'valueAndGrad: loss must be a float, got i32. Integers have no gradient.',
    );
    expect(() => s.vjp((p: s.Tensor) => p.sum(0), [x] as const, s.ones([2]))).toThrow(
      "vjp: cotangent 0 must have its output's shape [3], got [2].",
    );
    const opaque = s.defineOp<null>({ name: 'opaque', infer: ([a]) => a, cpu: () => {} });
    expect(() => s.grad((p: s.Tensor) => s.apply1(opaque, [p], null).sum(), x)).toThrow(
      'opaque: this operation has no gradient. Use stopGradient() on its input, or give the op a vjp.',
    );
    const bare = s.defineOp<null>({ name: 'bare', infer: ([a]) => a });
    expect(() => s.apply1(bare, [x], null)).toThrow(
      'bare: the device cpu has no kernel for it and the op has no reference. Give the op a kernel for cpu or a reference.',
    );
  });

  test('two devices in one operation', () => {
    const other = s.createCpu({ name: 'second' });
    expect(() => s.ones([1]).add(s.ones([1], { device: other }))).toThrow(
      'add: all tensors must live on one device, got cpu and second (argument 1). Create them on the same device.',
    );
  });
});
