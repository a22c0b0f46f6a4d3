import { apply, apply1, compile, concat } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { Op } from '@seq/tensor/engine';
import type { complexRecurrenceOp, cumsumOp, linearRecurrenceOp } from '@seq/tensor/engine';
import { same } from '../../testkit.js';
import type { Input } from '../../testkit.js';
import { variantOf } from '../../testkit-variants.js';

/** By columns as on a program and as on a GPU. */
export const columns = <A>(op: Op<A>): Op<A>[] =>
  [true, false].map((software) => variantOf(op, 'columns', { software }));

/** By tiles, as on a GPU. */
export const tiles = <A>(op: Op<A>): Op<A> => variantOf(op, 'tiles', { software: false });

/** Around vectors, tiles of 32, 128 and 1,024 steps, and where tiles become several chunks. */
export const lengths = [1, 2, 3, 16, 33, 63, 64, 65, 127, 129, 1000, 1025, 4099] as const;

/** An axis and a shape with n elements along it. */
type Place = (n: number) => readonly [axis: number, shape: readonly number[]];

export const places: { readonly rows: Place; readonly line: Place; readonly near: Place } = {
  rows: (n) => [1, [3, n]],
  line: (n) => [0, [n]],
  near: (n) => [1, [2, n, 3]],
};

/** Running sums in both directions. */
export async function compareSums(
  way: typeof cumsumOp,
  [axis, shape]: ReturnType<Place>,
  exclusive: boolean,
  numbers: Partial<Input> = { low: 0, high: 1 },
): Promise<void> {
  const all = (x: Tensor): Tensor[] =>
    [false, true].map((reverse) => apply1(way, [x], { axis, reverse, exclusive }));
  await same(all, [{ shape, ...numbers }]);
}

/** As good as sums in double: more chunks than one tile of chunks holds. */
export async function compareLongSums(way: typeof cumsumOp): Promise<void> {
  const n = 140_003;
  const attrs = { axis: 1, reverse: false, exclusive: false };
  await same((x) => apply1(way, [x.expandDims(0)], attrs).div(n), [{ shape: [n], low: 0.1, high: 0.1 }], {
    tolerance: 3e-7,
  });
}

/** What follows infinity is infinite; what follows two of unlike sign is no number. */
export async function compareInfinities(way: typeof cumsumOp): Promise<void> {
  const data = Array.from({ length: 210 }, (_, t) =>
    t % 70 === 40 ? Infinity : t % 70 === 60 && t > 140 ? -Infinity : 0.1,
  );
  const attrs = { axis: 1, reverse: false, exclusive: false };
  await same((x) => apply1(way, [x], attrs), [{ shape: [3, 70], data }]);
}

/** Whether a state stands before the first position, and where the factor of a step does. */
export type Form = 'initial' | 'none' | 'shifted';
export const forms: readonly Form[] = ['initial', 'none', 'shifted'];

/** Factors, what is added and the state before. */
export const recurrenceInputs = (shape: readonly number[], axis: number): Input[] => [
  { shape, low: -0.99, high: 0.99 },
  { shape, seed: 2 },
  { shape: shape.filter((_, i) => i !== axis), seed: 3 },
];

/** Recurrences in both directions. */
export async function compareRecurrences(
  way: typeof linearRecurrenceOp,
  [axis, shape]: ReturnType<Place>,
  form: Form,
): Promise<void> {
  const inputs = recurrenceInputs(shape, axis).slice(0, form === 'initial' ? 3 : 2);
  const all = (...xs: Tensor[]): Tensor[] =>
    [false, true].map((reverse) => apply1(way, xs, { axis, reverse, shifted: form === 'shifted' }));
  await same(all, inputs, { tolerance: 4e-6 });
}

/** Factors whose product overflows while nothing is carried. */
export async function compareOverflow(way: typeof linearRecurrenceOp): Promise<void> {
  const data = Array.from({ length: 1200 }, (_, t) => Number(t % 400 === 399));
  const run = (a: Tensor, x: Tensor): Tensor =>
    apply1(way, [a.broadcastTo(x.shape), x], { axis: 1, reverse: false, shifted: false });
  await same(run, [
    { shape: [], data: [4] },
    { shape: [3, 400], data },
  ]);
}

/** Results in the memory of what is added. */
export async function compareInPlace(way: typeof linearRecurrenceOp, T: number): Promise<void> {
  const attrs = { axis: 1, reverse: true, shifted: false };
  const planned = (a: Tensor, x: Tensor): Tensor => {
    const run = compile((a: Tensor, x: Tensor) => apply1(way, [a, x.add(1)], attrs).mul(2));
    const y = run(a, x);
    run.dispose();
    return y;
  };
  await same(planned, recurrenceInputs([3, T], 1).slice(0, 2), { tolerance: 4e-6 });
}

/** Both parts of a complex tensor side by side. */
export const joined = (parts: Tensor | readonly Tensor[]): Tensor => concat(parts as Tensor[], 0);

/** Factors of the shape a, what is added [P, T, Q], and the state before. */
export function complexInputs(x: readonly number[], a: readonly number[], form: Form): Input[] {
  const factor = { shape: a, low: -0.7, high: 0.7 };
  const h = { shape: [x[0], x[2]] };
  return [
    { ...factor, seed: 1 },
    { ...factor, seed: 2 },
    { shape: x, seed: 3 },
    { shape: x, seed: 4 },
    ...(form === 'initial'
      ? [
          { ...h, seed: 5 },
          { ...h, seed: 6 },
        ]
      : []),
  ];
}

/** Complex recurrences of T positions in both directions, with factors of their own or repeated ones. */
export async function compareComplex(
  way: typeof complexRecurrenceOp,
  T: number,
  form: Form,
  repeated: boolean,
): Promise<void> {
  const x = [2, T, 3];
  const all = (...xs: Tensor[]): Tensor[] =>
    [false, true].map((reverse) => joined(apply(way, xs, { reverse, shifted: form === 'shifted' })));
  await same(all, complexInputs(x, repeated ? [1, 1, 3] : x, form), { tolerance: 4e-6 });
}
