import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import type { Conv1dOptions } from './conv.js';
import { checkGradients, expectClose, list, sample as plainSample } from '../testkit.js';

// Recycled memory holds NaN, so that a kernel that leaves something out shows.
const device = s.createCpu({ poison: true });
const sample = (shape: number[], o: { seed?: number } = {}): s.Tensor => plainSample(shape, { device, ...o });

interface Case {
  B?: number;
  T: number;
  Cin: number;
  Cout: number;
  W: number;
  o?: Conv1dOptions;
}

/** The definition, with the padding worked out separately. */
function naive(
  x: number[],
  w: number[],
  { B = 2, T, Cin, Cout, W, o = {} }: Case,
): { y: number[]; T1: number } {
  const { stride = 1, dilation = 1, groups = 1, padding = 'causal' } = o;
  const span = dilation * (W - 1);
  const half = Math.floor(span / 2);
  const [l, r] =
    padding === 'causal'
      ? [span, 0]
      : padding === 'same'
        ? [half, span - half]
        : padding === 'valid'
          ? [0, 0]
          : padding;
  const padded = (b: number, t: number, c: number): number =>
    t < l || t >= l + T ? 0 : x[(b * T + t - l) * Cin + c];
  const y: number[] = [];
  let T1 = 0;
  for (let t = 0; t + span < T + l + r; t += stride) T1++;
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T1; t++) {
      for (let q = 0; q < Cout; q++) {
        const g = Math.floor(q / (Cout / groups));
        let sum = 0;
        for (let j = 0; j < W; j++) {
          for (let c = 0; c < Cin / groups; c++) {
            const v = padded(b, t * stride + j * dilation, g * (Cin / groups) + c);
            sum += v * w[(j * (Cin / groups) + c) * Cout + q];
          }
        }
        y.push(sum);
      }
    }
  }
  return { y, T1 };
}

const cases: [name: string, c: Case][] = [
  ['causal', { T: 6, Cin: 3, Cout: 4, W: 3 }],
  ['a window of one', { T: 4, Cin: 3, Cout: 2, W: 1 }],
  ['window longer than the input', { T: 3, Cin: 2, Cout: 3, W: 7 }],
  ['dilated', { T: 9, Cin: 2, Cout: 3, W: 3, o: { dilation: 3 } }],
  ['strided', { T: 9, Cin: 2, Cout: 3, W: 3, o: { stride: 2 } }],
  [
    'strided and dilated, stride beyond the window',
    { T: 13, Cin: 2, Cout: 2, W: 2, o: { stride: 5, dilation: 2 } },
  ],
  ['same, odd', { T: 5, Cin: 2, Cout: 2, W: 3, o: { padding: 'same' } }],
  ['same, even window', { T: 5, Cin: 2, Cout: 2, W: 4, o: { padding: 'same' } }],
  ['valid', { T: 7, Cin: 2, Cout: 3, W: 3, o: { padding: 'valid', stride: 2 } }],
  ['valid without any output', { T: 2, Cin: 2, Cout: 3, W: 3, o: { padding: 'valid' } }],
  ['explicit padding', { T: 4, Cin: 2, Cout: 2, W: 2, o: { padding: [0, 3] } }],
  ['groups', { T: 5, Cin: 6, Cout: 4, W: 3, o: { groups: 2 } }],
  ['depthwise', { T: 7, Cin: 5, Cout: 5, W: 4, o: { groups: 5 } }],
  [
    'depthwise, nine taps, dilated, strided',
    { T: 23, Cin: 3, Cout: 3, W: 9, o: { groups: 3, dilation: 2, stride: 2 } },
  ],
  ['depthwise with a multiplier', { T: 4, Cin: 3, Cout: 6, W: 2, o: { groups: 3 } }],
  ['one position', { T: 1, Cin: 2, Cout: 2, W: 3 }],
  ['no position', { T: 0, Cin: 2, Cout: 2, W: 3 }],
  ['no batch', { B: 0, T: 3, Cin: 2, Cout: 2, W: 2 }],
  ['no output channel', { T: 3, Cin: 2, Cout: 0, W: 2 }],
  ['no input channel', { T: 3, Cin: 0, Cout: 2, W: 2 }],
];

function inputs({ B = 2, T, Cin, Cout, W, o = {} }: Case): [s.Tensor, s.Tensor] {
  return [sample([B, T, Cin]), sample([W, Cin / (o.groups ?? 1), Cout], { seed: 2 })];
}

describe('conv1d', () => {
  test.each(cases)('%s: value and gradients', async (_, c) => {
    const [x, w] = inputs(c);
    const y = s.conv1d(x, w, c.o);
    const want = naive(await list(x), await list(w), c);
    expect(y.shape).toEqual([c.B ?? 2, want.T1, c.Cout]);
    expectClose(await list(y), want.y, 1e-14);
    const f32 = s.conv1d(x.cast('f32'), w.cast('f32'), c.o);
    expectClose(await list(f32), want.y, 1e-5);
    await checkGradients((a, b) => s.conv1d(a, b, c.o), [x, w]);
  });

  test('many rows go through in blocks', async () => {
    const c: Case = { B: 3, T: 211, Cin: 24, Cout: 10, W: 19, o: { dilation: 2 } };
    const [x, w] = inputs(c);
    const { y } = naive(await list(x), await list(w), c);
    expectClose(await list(s.conv1d(x, w, c.o)), y, 1e-13);
    const g = sample([3, 211, 10], { seed: 3 });
    const [, [dx, dw]] = s.vjp((a: s.Tensor, b: s.Tensor) => s.conv1d(a, b, c.o), [x, w] as const, g);
    // ⟨g, conv(x, w)⟩ is linear in x and in w.
    const dot = await g
      .mul(s.conv1d(x, w, c.o))
      .sum()
      .item();
    expect(await dx.mul(x).sum().item()).toBeCloseTo(dot, 9);
    expect(await dw.mul(w).sum().item()).toBeCloseTo(dot, 9);
  });

  test('views go in as they are', async () => {
    const x = sample([3, 2, 5]);
    const w = sample([4, 3, 2], { seed: 2 });
    const y = s.conv1d(x.transpose([1, 2, 0]), w.transpose([2, 1, 0]).slice(2, 0, 4, 2));
    const want = s.conv1d(
      x.transpose([1, 2, 0]).contiguous(),
      w.transpose([2, 1, 0]).slice(2, 0, 4, 2).contiguous(),
    );
    expect(await list(y)).toEqual(await list(want));
  });

  test('the cost is two operations a multiply-add', () => {
    const plan = s.explain(() => s.conv1d(s.zeros([2, 10, 6]), s.zeros([3, 2, 9]), { groups: 3, stride: 2 }));
    expect(plan.matmulFlops).toBe(2 * 2 * 5 * 9 * 3 * 2);
  });

  test('messages', () => {
    const x = s.zeros([2, 5, 4]);
    const w = s.zeros([3, 4, 2]);
    expect(() => s.conv1d(x, w, { groups: 3 })).toThrow(
      'conv1d: groups must divide Cin and Cout, got groups 3, Cin 4, Cout 2.',
    );
    expect(() => s.conv1d(x, w, { groups: 2 })).toThrow(
      'conv1d: w must have Cin/groups = 2 input channels, got [3, 4, 2]',
    );
    expect(() => s.conv1d(x, w, { stride: 0 })).toThrow('conv1d: stride must be an integer ≥ 1, got 0.');
    expect(() => s.conv1d(x, w, { dilation: 1.5 })).toThrow(
      'conv1d: dilation must be an integer ≥ 1, got 1.5.',
    );
    expect(() => s.conv1d(x, w, { padding: [-1, 0] })).toThrow(
      "conv1d: padding must be 'causal', 'same', 'valid' or two integers ≥ 0",
    );
    expect(() => s.conv1d(x.at(0), w)).toThrow('conv1d: x must be [B, T, Cin]');
    expect(() => s.conv1d(x, w.cast('f64'))).toThrow(
      'conv1d: x and w must be both f32 or both f64, got f32 and f64',
    );
  });
});
