import type { CrossEntropyOptions, Tensor } from '@seq/tensor';
import { apply1, crossEntropy, SeqError, tensor } from '@seq/tensor';
import type { Op } from '@seq/tensor/engine';
import { crossEntropyGradOp, crossEntropyOp } from '@seq/tensor/engine';
import { describe, expect, test } from 'vitest';
import { random, same, sameGrad, testDevice } from '../testkit.js';
import type { Input } from '../testkit.js';
import { variantNames, variantOf } from '../testkit-variants.js';

interface Attrs {
  reduction: 'mean' | 'sum' | 'none';
  ignoreIndex: number;
  labelSmoothing: number;
}

function targets(N: number, V: number, seed: number, ignore?: number): Input {
  const next = random(seed);
  const data = Array.from({ length: N }, () =>
    ignore !== undefined && next() < 0.3 ? ignore : Math.floor(next() * V),
  );
  return { shape: [N], dtype: 'i32', data };
}

/** Loss and gradient by every variant, as on a program and as on a GPU. */
async function everyWay(
  attrs: Attrs,
  logits: Input,
  target: Input,
  weight?: Input,
  exact = false,
): Promise<void> {
  const g: Input = { shape: attrs.reduction === 'none' ? target.shape : [], seed: 3, low: 0.5, high: 1 };
  const rest = weight === undefined ? [] : [weight];
  const all = (x: Tensor, y: Tensor, dy: Tensor, ...w: Tensor[]): Tensor[] =>
    variantNames(crossEntropyOp as Op).flatMap((name) =>
      [true, false].flatMap((software) => [
        apply1(variantOf(crossEntropyOp as Op<Attrs>, name, { software }), [x, y, ...w], attrs),
        apply1(variantOf(crossEntropyGradOp as Op<Attrs>, name, { software }), [x, y, dy, ...w], attrs),
      ]),
    );
  // Side by side, so that all compile at once.
  await same(all, [logits, target, g, ...rest], { tolerance: 4e-6, exact });
}

describe('cross entropy', () => {
  test.each(['mean', 'sum', 'none'] as const)(
    '%s: smoothing, ignored positions, weights',
    async (reduction) => {
      for (const [N, V, labelSmoothing] of [
        [1, 1, 0.1],
        [5, 7, 0],
        [5, 7, 0.1],
        [5, 7, 1],
        [3, 64, 0.1],
        [2, 1000, 0.1],
      ]) {
        const logits: Input = { shape: [N, V], low: -4, high: 4 };
        const attrs: Attrs = { reduction, labelSmoothing, ignoreIndex: -100 };
        await everyWay(attrs, logits, targets(N, V, 1));
        await everyWay(attrs, logits, targets(N, V, 2, -100), { shape: [V], low: 0.2, high: 2, seed: 8 });
      }
      const attrs: Attrs = { reduction, labelSmoothing: 0.2, ignoreIndex: 2 };
      await everyWay(attrs, { shape: [9, 4] }, targets(9, 4, 3));
      await everyWay({ ...attrs, ignoreIndex: 3e9 }, { shape: [9, 4] }, targets(9, 4, 3));
      await everyWay(attrs, { shape: [3, 4] }, { shape: [3], dtype: 'i32', data: [2, 2, 2] });
      await everyWay(attrs, { shape: [0, 4] }, { shape: [0], dtype: 'i32', data: [] });
    },
  );

  test('large vocabularies and many rows', async () => {
    const attrs: Attrs = { reduction: 'mean', labelSmoothing: 0, ignoreIndex: -100 };
    await everyWay(attrs, { shape: [3, 20_003] }, targets(3, 20_003, 4));
    await everyWay(attrs, { shape: [5000, 4] }, targets(5000, 4, 5, -100));
  });

  test('special values', async () => {
    const [N, I] = [NaN, Infinity];
    const rows = [
      [1, -I, 2, 3],
      [-I, 1, 2, 3],
      [-I, -I, -I, -I],
      [1, N, 2, -I],
      [-I, N, 2, 1],
      [1, I, 2, 3],
      [1e4, 1e4, 1e4, -1e4],
    ];
    const logits: Input = { shape: [rows.length, 4], data: rows.flat() };
    const target: Input = { shape: [rows.length], dtype: 'i32', data: rows.map(() => 0) };
    for (const labelSmoothing of [0, 0.1]) {
      await everyWay(
        { reduction: 'none', labelSmoothing, ignoreIndex: -100 },
        logits,
        target,
        undefined,
        true,
      );
      const weight: Input = { shape: [4], data: [1, 0, 2, 0.5] };
      await everyWay({ reduction: 'none', labelSmoothing, ignoreIndex: -100 }, logits, target, weight, true);
    }
  });

  test('gradients by logits and weights', async () => {
    const all: CrossEntropyOptions[] = [{}, { reduction: 'sum', labelSmoothing: 0.1 }, { reduction: 'none' }];
    for (const options of all) {
      const f = (x: Tensor, y: Tensor, weight: Tensor): Tensor => crossEntropy(x, y, { ...options, weight });
      await sameGrad(f, [{ shape: [6, 5] }, targets(6, 5, 6, -100), { shape: [5], low: 0.5, seed: 4 }]);
    }
  });

  test('says which target is no class', async () => {
    const device = await testDevice();
    const x = tensor(Float32Array.from({ length: 12 }), { device }).reshape([3, 4]);
    const y = tensor(Int32Array.of(1, 4, -1), { device });
    const error = await crossEntropy(x, y)
      .data()
      .then(
        () => null,
        (e: unknown) => e,
      );
    expect(SeqError.is(error, 'index')).toBe(true);
    expect((error as Error).message).toMatch(
      /targets must be in \[0, 3\] or ignoreIndex -100, element 1 is not/,
    );
  });
});
