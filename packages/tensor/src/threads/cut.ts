import type { BinaryName, Kernels, UnaryName } from '../wasm/kernels.js';

/**
 * Runs a kernel in parts: the arguments for units from … to − 1 of `count`; all parts but the last have a multiple of
 * `step` units. `work` is what all of it takes on one thread, roughly, in nanoseconds.
 */
export type Share = (
  name: keyof Kernels,
  count: number,
  step: number,
  work: number,
  args: (from: number, to: number) => readonly number[],
) => void;

/** Below this many nanoseconds a kernel runs on one thread: to wake another and to wait for it takes some 20 µs. */
export const SHARED_FROM = 150_000;

const functions: readonly UnaryName[] = [
  'expRow',
  'tanhRow',
  'sigmoidRow',
  'erfRow',
  'geluRow',
  'geluTanhRow',
  'siluRow',
  'softplusRow',
  'logSigmoidRow',
  'logRow',
];
const simple: readonly BinaryName[] = ['addRows', 'subRows', 'mulRows', 'divRows', 'maxRows', 'minRows'];

/** The kernels, those that can be long cut along units that do not depend on each other. */
export function cutKernels(k: Kernels, share: Share): Kernels {
  const cut: Record<string, unknown> = { ...k };
  for (const name of functions) {
    cut[name] = ((o, x, step, n) => {
      if (n < SHARED_FROM) k[name](o, x, step, n);
      else share(name, n, 1024, n, (i, j) => [o + 4 * i, x + 4 * i * step, step, j - i]);
    }) satisfies Kernels[UnaryName];
  }
  for (const name of simple) {
    cut[name] = ((o, n, rows, a, as, ar, b, bs, br) => {
      const work = 0.3 * n * rows;
      if (work < SHARED_FROM) k[name](o, n, rows, a, as, ar, b, bs, br);
      else if (rows > 1) {
        share(name, rows, 1, work, (i, j) => [
          o + 4 * i * n,
          n,
          j - i,
          ...[a + 4 * i * ar, as, ar],
          ...[b + 4 * i * br, bs, br],
        ]);
      } else {
        share(name, n, 1024, work, (i, j) => [
          o + 4 * i,
          j - i,
          1,
          ...[a + 4 * i * as, as, ar],
          ...[b + 4 * i * bs, bs, br],
        ]);
      }
    }) satisfies Kernels[BinaryName];
  }
  const parts: Partial<Kernels> = {
    softmaxRows: (o, x, n, rows) =>
      share('softmaxRows', rows, 1, 1.5 * n * rows, (i, j) => [o + 4 * i * n, x + 4 * i * n, n, j - i]),
    logSoftmaxRows: (o, x, n, rows) =>
      share('logSoftmaxRows', rows, 1, 1.5 * n * rows, (i, j) => [o + 4 * i * n, x + 4 * i * n, n, j - i]),
    logSumExpRows: (o, x, n, rows) =>
      share('logSumExpRows', rows, 1, 1.2 * n * rows, (i, j) => [o + 4 * i, x + 4 * i * n, n, j - i]),
    softmaxGradRows: (o, y, g, n, rows) =>
      share('softmaxGradRows', rows, 1, n * rows, (i, j) => [
        ...[o, y, g].map((p) => p + 4 * i * n),
        n,
        j - i,
      ]),
    normRows: (y, x, n, rows, w, b, eps, centre) =>
      share('normRows', rows, 1, 0.8 * n * rows, (i, j) => [
        ...[y + 4 * i * n, x + 4 * i * n, n, j - i],
        ...[w, b, eps, Number(centre)],
      ]),
    cumsumRows: (y, x, n, step, inner, exclusive) =>
      share('cumsumRows', inner, 16, 0.6 * n * inner, (i, j) => [
        ...[y + 4 * i, x + 4 * i, n, step, j - i],
        Number(exclusive),
      ]),
    adam: (pOut, mOut, vOut, p, g, m, v, n, ...rest) =>
      share('adam', n, 1024, 1.5 * n, (i, j) => [
        ...[pOut, mOut, vOut, p, g, m, v].map((at) => at + 4 * i),
        j - i,
        ...rest,
      ]),
    gemm(m, n, l, a, ar, ac, b, br, bc, c, cr, add) {
      const work = productWork(m, n, l);
      if (work < SHARED_FROM) k.gemm(m, n, l, a, ar, ac, b, br, bc, c, cr, add);
      else if (m >= n) {
        share('gemm', m, 12, work, (i, j) => [
          ...[j - i, n, l, a + 4 * i * ar, ar, ac, b, br, bc],
          ...[c + 4 * i * cr, cr, Number(add)],
        ]);
      } else {
        share('gemm', n, 8, work, (i, j) => [
          ...[m, j - i, l, a, ar, ac, b + 4 * i * bc, br, bc],
          ...[c + 4 * i, cr, Number(add)],
        ]);
      }
    },
    gemmBatch(count, m, n, l, a, aStep, ar, ac, b, bStep, br, bc, c, cStep, cr) {
      const each = productWork(m, n, l);
      if (each >= SHARED_FROM) {
        for (let i = 0; i < count; i++)
          all.gemm(
            m,
            n,
            l,
            a + 4 * i * aStep,
            ar,
            ac,
            b + 4 * i * bStep,
            br,
            bc,
            c + 4 * i * cStep,
            cr,
            false,
          );
        return;
      }
      share('gemmBatch', count, 1, count * each, (i, j) => [
        ...[j - i, m, n, l],
        ...[a + 4 * i * aStep, aStep, ar, ac],
        ...[b + 4 * i * bStep, bStep, br, bc],
        ...[c + 4 * i * cStep, cStep, cr],
      ]);
    },
    gemmPacked(m, n, l, a, ar, ac, b, c, cr, add) {
      const work = productWork(m, n, l);
      if (work < SHARED_FROM || m < n / 2) k.gemmPacked(m, n, l, a, ar, ac, b, c, cr, add);
      else {
        share('gemmPacked', m, 12, work, (i, j) => [
          ...[j - i, n, l, a + 4 * i * ar, ar, ac, b],
          ...[c + 4 * i * cr, cr, Number(add)],
        ]);
      }
    },
  };
  const all = { ...cut, ...parts } as unknown as Kernels;
  return all;
}

/** Nanoseconds of a product: 22 multiply-adds each; few rows wait for the memory. */
const productWork = (m: number, n: number, k: number): number => Math.max((m * n * k) / 22, (n * k) / 7);
