import type { Conv1dOptions, Tensor } from '@seq/tensor';
import { conv1d } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { floorTestDevice, random, same, sameGrad, testDevice } from '../testkit.js';

interface Case {
  readonly B?: number;
  readonly T: number;
  readonly Cin: number;
  readonly Cout: number;
  readonly W: number;
  readonly o?: Conv1dOptions;
}

const cases: [string, Case][] = [
  ['dense, channels in fours', { T: 19, Cin: 8, Cout: 12, W: 3 }],
  ['dense, odd channels', { T: 17, Cin: 3, Cout: 5, W: 4 }],
  ['depthwise in fours', { T: 21, Cin: 12, Cout: 12, W: 4, o: { groups: 12 } }],
  ['depthwise, odd channels', { T: 9, Cin: 7, Cout: 7, W: 4, o: { groups: 7 } }],
  ['depthwise, several outputs a channel', { T: 9, Cin: 4, Cout: 8, W: 2, o: { groups: 4 } }],
  ['groups in fours', { T: 11, Cin: 16, Cout: 8, W: 3, o: { groups: 2 } }],
  ['stride and dilation', { T: 30, Cin: 4, Cout: 8, W: 3, o: { stride: 2, dilation: 3, padding: 'same' } }],
  ['stride over the width, odd', { T: 23, Cin: 3, Cout: 2, W: 2, o: { stride: 3, padding: [1, 4] } }],
  ['strided depthwise', { T: 13, Cin: 4, Cout: 4, W: 5, o: { groups: 4, stride: 2, padding: 'valid' } }],
  ['a window longer than the input', { T: 2, Cin: 4, Cout: 4, W: 6 }],
  ['no output', { T: 2, Cin: 4, Cout: 4, W: 6, o: { padding: 'valid' } }],
  ['no input', { T: 0, Cin: 4, Cout: 4, W: 2, o: { padding: [2, 1] } }],
];

const inputsOf = ({ B = 2, T, Cin, Cout, W, o }: Case): { shape: number[]; seed: number }[] => [
  { shape: [B, T, Cin], seed: 3 },
  { shape: [W, Cin / (o?.groups ?? 1), Cout], seed: 4 },
];

describe.each(cases)('%s', (_, c) => {
  const f = (x: Tensor, w: Tensor): Tensor => conv1d(x, w, c.o);

  test('values and gradients', async () => {
    await same(f, inputsOf(c));
    if (c.T > 0) await sameGrad(f, inputsOf(c));
  });
});

test('at the floor, from an odd place', async () => {
  const device = await floorTestDevice();
  const f = (x: Tensor, w: Tensor): Tensor => conv1d(x.slice(0, 1, 3), w, { groups: 4 });
  await same(f, [{ shape: [3, 9, 4] }, { shape: [3, 1, 4], seed: 2 }], { device });
  const g = (x: Tensor, w: Tensor): Tensor => conv1d(x.slice(1, 1, 8).reshape([1, 7, 4]), w);
  await same(g, [{ shape: [1, 9, 4] }, { shape: [3, 4, 8], seed: 2 }], { device });
});

test('a weight gradient over many rows is cut, in a fixed order', async () => {
  const device = await testDevice();
  const f = (x: Tensor, w: Tensor): Tensor => conv1d(x, w, { groups: 4 });
  await sameGrad(f, [{ shape: [3, 1700, 4] }, { shape: [4, 1, 4], seed: 2 }], { tolerance: 3e-5 });
  await sameGrad((x, w) => conv1d(x, w), [{ shape: [2, 1100, 3] }, { shape: [2, 3, 2], seed: 2 }], {
    tolerance: 3e-5,
  });
  expect(device.counters.dispatches).toBeGreaterThan(0);
});

test('options drawn at random', async () => {
  const next = random(5);
  const whole = (from: number, to: number): number => from + Math.floor((to - from) * next());
  for (let i = 0; i < 16; i++) {
    const groups = whole(1, 4);
    const c: Case = {
      B: whole(1, 4),
      T: whole(1, 40),
      Cin: groups * whole(1, 6),
      Cout: groups * whole(1, 6),
      W: whole(1, 6),
      o: { groups, stride: whole(1, 4), dilation: whole(1, 4), padding: [whole(0, 9), whole(0, 5)] },
    };
    await same((x, w) => conv1d(x, w, c.o), inputsOf(c));
    await sameGrad((x, w) => conv1d(x, w, c.o), inputsOf(c));
  }
});
