import { describe, expect, test } from 'vitest';
import * as s from '../index.js';
import { checkGradients, expectClose, list, numbers, sample } from '../testkit.js';

const devices = {
  loops: s.createCpu({ poison: true, wasm: false }),
  plain: s.createCpu({ poison: true, wasm: 'plain' }),
  relaxed: s.createCpu({ poison: true }),
};
const lengths = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 16, 20, 25, 27, 30, 31, 48, 60, 64, 75, 97, 128, 360, 512,
];

/** The definition. */
function dft(re: number[], im: number[], sign: number): [re: number[], im: number[]] {
  const N = re.length;
  const out: [number[], number[]] = [[], []];
  for (let k = 0; k < N; k++) {
    let [a, b] = [0, 0];
    for (let n = 0; n < N; n++) {
      const angle = (sign * 2 * Math.PI * ((n * k) % N)) / N;
      a += re[n] * Math.cos(angle) - im[n] * Math.sin(angle);
      b += re[n] * Math.sin(angle) + im[n] * Math.cos(angle);
    }
    out[0].push(a);
    out[1].push(b);
  }
  return out;
}

const norm = (...parts: ArrayLike<number>[]): number =>
  Math.sqrt(parts.reduce((sum, p) => sum + Array.from(p).reduce((t, v) => t + v * v, 0), 0));

/** Largest error of two complex rows in units of the norm of the input times √N, which is the norm of the result. */
async function relativeError(got: s.Complex, [re, im]: [number[], number[]]): Promise<number> {
  const [a, b] = [await list(got.re), await list(got.im)];
  return (
    norm(
      a.map((v, i) => v - re[i]),
      b.map((v, i) => v - im[i]),
    ) / norm(re, im)
  );
}

/** Relative error in the norm that a transform of N elements may have: 2⁻²⁴ for f32 times passes, chirps doubled. */
const bound = (N: number, eps: number): number => eps * (6 + 4 * Math.log2(N));

describe('fft', () => {
  for (const [name, device] of Object.entries(devices)) {
    test(`${name}: every length within the error bound, forwards and backwards`, async () => {
      for (const N of lengths) {
        const [re, im] = [numbers(N, 3).map(Math.fround), numbers(N, 4).map(Math.fround)];
        const x = { re: s.tensor(re, { device }), im: s.tensor(im, { device }) };
        expect(await relativeError(s.fft(x), dft(re, im, -1)), `fft ${N}`).toBeLessThan(bound(N, 2 ** -24));
        const [br, bi] = dft(re, im, 1).map((p) => p.map((v) => v / N));
        expect(await relativeError(s.ifft(x), [br, bi]), `ifft ${N}`).toBeLessThan(bound(N, 2 ** -24));
      }
    });
  }

  test('f64 too, where the chirp has its share', async () => {
    for (const N of lengths) {
      const [re, im] = [numbers(N, 3), numbers(N, 4)];
      const o = { dtype: 'f64' } as const;
      const x = { re: s.tensor(re, o), im: s.tensor(im, o) };
      expect(await relativeError(s.fft(x), dft(re, im, -1)), `fft ${N}`).toBeLessThan(1e-14 + 1e-15 * N);
    }
  });

  test('long lengths come back', async () => {
    for (const N of [16384, 15000, 10007]) {
      const x = s.tensor(numbers(2 * N, 5), { shape: [2, N] });
      const { re, im } = s.ifft(s.fft(x));
      expectClose(await list(re), await list(x), 2e-6, `${N}`);
      expectClose(await list(im), new Array<number>(2 * N).fill(0), 2e-6, `${N}`);
    }
  });

  test('along any axis, any strides', async () => {
    const x = sample([3, 6, 2]);
    const want = s.fft(x.transpose([0, 2, 1]));
    const got = s.fft(x, { axis: 1 });
    expect(got.re.shape).toEqual([3, 6, 2]);
    expectClose(await list(got.im), await list(want.im.transpose([0, 2, 1]).contiguous()), 1e-14);
  });

  test.each([1, 2, 6, 7, 8])('gradients and second gradients, N = %i', async (N) => {
    const [re, im] = [sample([2, N]), sample([2, N], { seed: 2 })];
    await checkGradients((a, b) => s.concat(Object.values(s.fft({ re: a, im: b })), 0), [re, im]);
    await checkGradients((a, b) => s.concat(Object.values(s.ifft({ re: a.square(), im: b })), 0), [re, im]);
  });

  test('what does not fit is refused', () => {
    expect(() => s.fft({ re: s.zeros([3]), im: s.zeros([4]) })).toThrow(
      'fft: both parts must have one shape',
    );
    expect(() => s.fft(s.zeros([3], { dtype: 'i32' }))).toThrow(
      'fft: both parts must be f32 or both f64, got i32',
    );
    expect(() => s.irfft(s.rfft(s.zeros([8])), 6)).toThrow('6 numbers need coefficients [..., 4], got [5]');
    expect(s.fft(s.zeros([2, 0])).re.shape).toEqual([2, 0]);
  });
});

describe('rfft and irfft', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 10, 14, 16, 30])('N = %i: as fft, and back, with gradients', async (N) => {
    const x = sample([2, N]);
    const [half, whole] = [s.rfft(x), s.fft(x)];
    const cut = (t: s.Tensor): s.Tensor => t.slice(1, 0, (N >> 1) + 1).contiguous();
    expectClose(await list(half.re), await list(cut(whole.re)), 1e-13);
    expectClose(await list(half.im), await list(cut(whole.im)), 1e-13);
    expectClose(await list(s.irfft(half, N)), await list(x), 1e-13);
    await checkGradients((a) => s.concat(Object.values(s.rfft(a)), 1), [x]);
    const [re, im] = [sample([2, (N >> 1) + 1]), sample([2, (N >> 1) + 1], { seed: 2 })];
    await checkGradients((a, b) => s.irfft({ re: a, im: b }, N), [re, im]);
  });

  test('imaginary parts without meaning are not looked at', async () => {
    const { re, im } = s.rfft(sample([6]));
    const junk = im.add(s.tensor([5, 0, 0, 7], { dtype: 'f64' }));
    expectClose(await list(s.irfft({ re, im: junk }, 6)), await list(s.irfft({ re, im }, 6)), 0);
  });
});

/** The direct form. */
function direct(x: number[], k: number[], [B, T, C, L]: number[]): number[] {
  const y = new Array<number>(B * T * C).fill(0);
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let c = 0; c < C; c++)
        for (let l = 0; l <= Math.min(t, L - 1); l++)
          y[(b * T + t) * C + c] += k[c * L + l] * x[(b * T + t - l) * C + c];
  return y;
}

describe('fftConv', () => {
  const sizes = [
    [2, 1, 3, 1],
    [1, 7, 2, 3],
    [2, 9, 2, 20],
    [1, 33, 1, 33],
    [1, 48, 1, 48],
  ];
  test.each(sizes)(
    '[%i, %i, %i] with filters of %i: as the direct form, with gradients',
    async (B, T, C, L) => {
      const [x, k] = [sample([B, T, C]), sample([C, L], { seed: 2 })];
      expectClose(await list(s.fftConv(x, k)), direct(await list(x), await list(k), [B, T, C, L]), 1e-13);
      await checkGradients(s.fftConv, [x, k], { second: T < 10 });
    },
  );

  for (const [name, device] of Object.entries(devices)) {
    test(`${name}: the error in f32 is below 2⁻²⁴ log₂ N ‖k‖ ‖x‖, forwards and in the gradients`, async () => {
      const [T, L] = [1000, 700];
      const host = { x: numbers(T, 1).map(Math.fround), k: numbers(L, 2).map(Math.fround) };
      const g = numbers(T, 3).map(Math.fround);
      const x = s.tensor(host.x, { shape: [1, T, 1], device });
      const k = s.tensor(host.k, { shape: [1, L], device });
      const [y, [dx, dk]] = s.vjp(s.fftConv, [x, k], s.tensor(g, { shape: [1, T, 1], device }));
      // The gradient by x is the convolution of g against time, that by k the one of g with x.
      const turned = g.toReversed();
      const wants = [
        direct(host.x, host.k, [1, T, 1, L]),
        direct(turned, host.k, [1, T, 1, L]).toReversed(),
        direct(turned, host.x, [1, T, 1, T]).toReversed().slice(0, L),
      ];
      const norms = [norm(host.x) * norm(host.k), norm(g) * norm(host.k), norm(g) * norm(host.x)];
      for (const [i, t] of [y, dx, dk].entries()) {
        const got = await list(t);
        const worst = Math.max(...got.map((v, j) => Math.abs(v - wants[i][j])));
        expect(worst, `${i}`).toBeLessThan(2 ** -24 * Math.log2(2 * T) * norms[i]);
      }
    });
  }

  test('no positions, no channels', () => {
    expect(s.fftConv(s.zeros([2, 0, 3]), s.zeros([3, 4])).shape).toEqual([2, 0, 3]);
    expect(s.fftConv(s.zeros([2, 5, 0]), s.zeros([0, 4])).shape).toEqual([2, 5, 0]);
    expect(() => s.fftConv(s.zeros([2, 5, 3]), s.zeros([4, 3]))).toThrow('got [2, 5, 3] and [4, 3]');
  });
});
