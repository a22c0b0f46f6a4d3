import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, expectClose, list, sample } from '../testkit.js';

const device = s.createCpu({ poison: true });
const pair = (shape: number[], seed: number): s.Complex => ({
  re: sample(shape, { seed, device }),
  im: sample(shape, { seed: seed + 1, device }),
});
const both = ({ re, im }: s.Complex): s.Tensor => s.concat([re, im], 0);

/** The definition as a fold of real operations on slices. */
function fold(a: s.Complex, x: s.Complex, h: s.Complex, reverse: boolean): s.Complex {
  const T = x.re.shape[1];
  const out: s.Complex[] = [];
  let [re, im] = [h.re, h.im];
  const wide = { re: a.re.broadcastTo(x.re.shape), im: a.im.broadcastTo(x.im.shape) };
  for (let n = 0; n < T; n++) {
    const t = reverse ? T - 1 - n : n;
    const [ar, ai, xr, xi] = [wide.re, wide.im, x.re, x.im].map((y) => y.at(t, 1));
    [re, im] = [ar.mul(re).sub(ai.mul(im)).add(xr), ar.mul(im).add(ai.mul(re)).add(xi)];
    out.push({ re, im });
  }
  const ordered = reverse ? out.reverse() : out;
  return {
    re: s.stack(
      ordered.map((y) => y.re),
      1,
    ),
    im: s.stack(
      ordered.map((y) => y.im),
      1,
    ),
  };
}

describe('complexRecurrence', () => {
  const shapes: [number[], number[]][] = [
    [
      [2, 5, 3],
      [2, 5, 3],
    ],
    [[2, 5, 3], [3]],
    [
      [2, 4, 3, 2],
      [4, 1, 1],
    ],
    [[1, 1, 4], []],
    [
      [2, 3, 2, 3],
      [3, 1, 3],
    ],
  ];
  for (const reverse of [false, true]) {
    test.each(shapes)(
      `x %j, a %j${reverse ? ' reversed' : ''}: value and gradients`,
      async (shape, factors) => {
        const [a, x] = [pair(factors, 1), pair(shape, 3)];
        const h = pair(
          shape.filter((_, i) => i !== 1),
          5,
        );
        const want = fold(a, x, h, reverse);
        const got = s.complexRecurrence(a, x, { initial: h, reverse });
        expectClose(await list(both(got)), await list(both(want)), 1e-14);
        await checkGradients(
          (ar, ai, xr, xi, hr, hi) =>
            both(
              s.complexRecurrence(
                { re: ar, im: ai },
                { re: xr, im: xi },
                { initial: { re: hr, im: hi }, reverse },
              ),
            ),
          [a.re, a.im, x.re, x.im, h.re, h.im],
        );
      },
    );
  }

  test('along another axis; nothing at all; what does not fit', async () => {
    const [a, x] = [pair([3], 1), pair([4, 2, 3], 3)];
    const turn = (y: s.Complex): s.Complex => ({ re: y.re.swapAxes(0, 1), im: y.im.swapAxes(0, 1) });
    const along = s.complexRecurrence(a, x, { axis: 0 });
    expectClose(await list(both(turn(along))), await list(both(s.complexRecurrence(a, turn(x)))), 0);
    expect(s.complexRecurrence(a, pair([2, 0, 3], 3)).re.shape).toEqual([2, 0, 3]);
    expect(() => s.complexRecurrence(pair([2], 1), x)).toThrow('a must broadcast to it');
  });
});
