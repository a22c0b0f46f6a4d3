import type { Tensor } from '@seq/tensor';
import { apply1, defineOp } from '@seq/tensor';
import type { GpuVariant, Op } from '@seq/tensor/engine';
import { describe, expect, test } from 'vitest';
import { tensorKernels } from '../kernels/index.js';
import { besideDevice, testDevice } from '../testkit.js';
import { grid, memo, reads, shader, writes } from '../wgsl/index.js';
import { tensorCases } from './cases.js';
import { verify } from './verify.js';

const tripled = memo((factor) =>
  shader({
    name: 'test/tripled',
    operands: [reads('x', 'f32', 0), writes('y', 'f32', 1)],
    params: { n: 'u32' },
    workgroup: 64,
    main: `if (linear < p.n) { set_y(linear, ${factor} * x(linear)); }`,
  }),
);
const variant = (name: string, factor: string): GpuVariant<null> => ({
  name,
  supports: () => true,
  plan: ({ inputs: [x] }) => ({
    passes: [{ shader: tripled(factor), params: [x.shape[0]], workgroups: grid(x.shape[0], 64) }],
  }),
});
const triple = (variants: GpuVariant<null>[], reference?: (xs: readonly Tensor[]) => Tensor): Op<null> =>
  defineOp<null>({
    name: 'triple',
    infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
    cpu({ inputs: [x], outputs: [y] }) {
      for (let i = 0; i < y.shape[0]; i++) y.data[y.offset + i] = 3 * x.data[x.offset + i];
    },
    webgpu: { variants },
    ...(reference ? { reference } : {}),
  });
const caseOf = (op: Op): { op: Op; run: (s: { floats(shape: number[]): Tensor }) => Tensor } => ({
  op,
  run: (s) => apply1(op, [s.floats([100])], null),
});

describe('verify', () => {
  test('demotes a kernel that is wrong; the next one takes its place', async () => {
    const device = await besideDevice({});
    const op = triple([variant('fast', '3.001'), variant('plain', '3.0')]);
    const report = await verify(device, { cases: [caseOf(op)], only: true });
    expect(report.ok).toBe(false);
    expect(report.verdicts.map((v) => [v.variant, v.cases, v.demoted])).toEqual([
      ['fast', 1, true],
      ['plain', 1, false],
    ]);
    expect(String(report)).toMatch(/triple\/fast: element 0 is .*, the CPU has .*; no longer used\n1 wrong/);
    const again = await verify(device, { cases: [caseOf(op)], only: true });
    expect(again.verdicts[1].fault).toBeNull();
    device.dispose();
  });

  test('falls back to the reference when all kernels are wrong, and says when nothing is left', async () => {
    const device = await besideDevice({});
    const composite = triple([variant('fast', '3.001')], ([x]) => x.mul(3));
    const report = await verify(device, { cases: [caseOf(composite)], only: true });
    expect(report.verdicts[0].demoted).toBe(true);
    const x = (await import('@seq/tensor')).tensor(Float32Array.of(1, 2), { device });
    expect(await apply1(composite, [x], null).data()).toEqual(Float32Array.of(3, 6));
    const primitive = await verify(device, {
      cases: [caseOf(triple([variant('fast', '3.001')]))],
      only: true,
    });
    expect(primitive.verdicts[0].demoted).toBe(false);
    expect(String(primitive)).toMatch(/nothing can replace it/);
    device.dispose();
  });

  test('every op of @seq/tensor with a kernel has cases', () => {
    const covered = new Set(tensorCases().map((c) => c.op));
    expect([...tensorKernels().keys()].filter((op) => !covered.has(op)).map((op) => op.name)).toEqual([]);
  });

  test('every kernel is right on this adapter', async () => {
    const report = await verify(await testDevice());
    expect(report.verdicts.filter((v) => v.fault !== null)).toEqual([]);
    expect(report.verdicts.length).toBeGreaterThan(90);
  }, 120_000);
});
