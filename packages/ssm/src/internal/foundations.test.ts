import { associativeScan, complexRecurrence, fftConv, tensor, vjp } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { testDevices } from '@seq/testing';
import { loadKernels } from '@seq/tensor/engine';
import { describe, expect, test } from 'vitest';
import { times } from './complex.js';
import { bilinear, discretizations, euler, growth, zeroOrderHold } from './discretize.js';
import { hippoLegs } from './hippo.js';
import { diagonalKernel } from './kernel.js';

await loadKernels();

/** h ← a h + x. */
type Step = { readonly a: Complex; readonly x: Complex };

const f64 = { dtype: 'f64' } as const;
const pair = (re: number[], im: number[]): Complex => ({ re: tensor(re, f64), im: tensor(im, f64) });
const list = async (t: Tensor): Promise<number[]> => [...(await t.data())];

describe('discretisation', () => {
  test('real rates against closed forms', async () => {
    const [lambda, step] = [pair([-2], [0]), tensor([0.3], f64)];
    const values = async ({ a, b }: ReturnType<typeof euler>): Promise<number[]> =>
      (await Promise.all([a.re, a.im, b.re, b.im].map(list))).flat();
    const close = (got: number[], want: number[]): void =>
      want.forEach((w, i) => expect(got[i]).toBeCloseTo(w, 14));
    close(await values(euler(lambda, step)), [0.4, 0, 0.3, 0]);
    close(await values(bilinear(lambda, step)), [0.7 / 1.3, 0, 0.3 / 1.3, 0]);
    close(await values(zeroOrderHold(lambda, step)), [Math.exp(-0.6), 0, (1 - Math.exp(-0.6)) / 2, 0]);
  });

  test('all rules draw together as steps shrink: Euler by Δ², the bilinear rule by Δ³ in a and in b Δ²', async () => {
    const lambda = pair([-0.5, -1], [3, -7]);
    const apart = async (rule: 'euler' | 'bilinear', dt: number): Promise<number> => {
      const [x, y] = [discretizations[rule], zeroOrderHold].map((f) => f(lambda, tensor([dt], f64)));
      return x.a.re.sub(y.a.re).abs().maximum(x.a.im.sub(y.a.im).abs()).max().item();
    };
    for (const [rule, order] of [
      ['euler', 2],
      ['bilinear', 3],
    ] as const) {
      const ratio = (await apart(rule, 1e-3)) / (await apart(rule, 5e-4));
      expect(ratio).toBeGreaterThan(2 ** order * 0.97);
      expect(ratio).toBeLessThan(2 ** order * 1.03);
    }
  });

  test('(e^z − 1) / z and its derivative keep their digits from 0 to far outside', async () => {
    for (const size of [0, 1e-300, 1e-12, 1e-5, 0.05, 0.0699, 0.0701, 0.2, 3, 40]) {
      const [x, y] = [-0.6 * size, 0.8 * size];
      // Σ z^k / (k + 1)!, or the quotient where it loses nothing.
      const want = { f: [0, 0], d: [0, 0] };
      let [pr, pi, factor] = [1, 0, 1];
      let [qr, qi] = [0, 0];
      for (let k = 0; k < 200; k++) {
        factor /= k + 1;
        want.f[0] += pr * factor;
        want.f[1] += pi * factor;
        want.d[0] += k * qr * factor;
        want.d[1] += k * qi * factor;
        [qr, qi] = [pr, pi];
        [pr, pi] = [pr * x - pi * y, pr * y + pi * x];
      }
      const tolerance = size > 10 ? 1e-3 : 1e-13; // the sum above cancels far outside
      const z = pair([x], [y]);
      const one = { re: tensor([1], f64), im: tensor([0], f64) };
      const [value, [grad]] = vjp(growth, [z], one);
      for (const [got, w] of [
        [value.re, want.f[0]],
        [value.im, want.f[1]],
        [grad.re, want.d[0]],
        [grad.im, -want.d[1]],
      ] as const)
        if (size < 10) expect(Math.abs((await got.item()) - w), `|z| = ${size}`).toBeLessThan(tolerance);
        else expect(Math.abs(await got.item())).toBeLessThan(0.03); // about 1 / |z|
    }
  });
});

describe('HiPPO-LegS', () => {
  test.each([1, 2, 5, 16, 64])('N = %i: A + P Pᵀ = V Λ V*, V unitary', (N) => {
    const { A, P, lambda, V } = hippoLegs(N);
    let worst = 0;
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < N; k++) {
        let [re, im, unit] = [0, 0, 0];
        for (let j = 0; j < N; j++) {
          const [vr, vi] = [V.re[n * N + j], V.im[n * N + j]];
          const [wr, wi] = [V.re[k * N + j], -V.im[k * N + j]];
          const [pr, pi] = [vr * wr - vi * wi, vr * wi + vi * wr];
          re += pr * lambda.re[j] - pi * lambda.im[j];
          im += pr * lambda.im[j] + pi * lambda.re[j];
          unit += pr;
        }
        worst = Math.max(
          worst,
          Math.abs(re - A[n * N + k] - P[n] * P[k]) / N,
          Math.abs(im) / N,
          Math.abs(unit - (n === k ? 1 : 0)),
        );
      }
    }
    expect(worst).toBeLessThan(1e-12);
    expect(lambda.im.every((w, i) => i === 0 || w > lambda.im[i - 1])).toBe(true);
  });
});

describe('diagonalKernel', () => {
  const host = {
    zr: [-0.01, -0.2, -0.001, -0.05, -1, 0],
    zi: [0.3, -2, 3, 0, 0.7, 0.01],
    cr: [1, 2, -1, 0.5, 0.2, -0.3],
    ci: [0.1, -1, 0.4, 0.6, 1, 2],
  };
  for (const { kind, device, dtypes } of testDevices()) {
    test.skipIf(!device).each(dtypes)(`${kind} %s: values and gradients by the definition`, async (dtype) => {
      const [H, N, L] = [2, 3, 150];
      const place = (x: number[]): Tensor => tensor(x, { shape: [H, N], dtype, device: device! });
      const z = { re: place(host.zr), im: place(host.zi) };
      const c = { re: place(host.cr), im: place(host.ci) };
      const g = Array.from({ length: H * L }, (_, i) => Math.sin(3 * i));
      const G = tensor(g, { shape: [H, L], dtype, device: device! });
      const [k, [dz, dc]] = vjp((a: Complex, b: Complex) => diagonalKernel(a, b, L), [z, c], G);
      const want = new Float64Array(H * L);
      const grads = [dz.re, dz.im, dc.re, dc.im].map(() => new Float64Array(H * N));
      for (let n = 0; n < H * N; n++) {
        for (let l = 0; l < L; l++) {
          const at = Math.floor(n / N) * L + l;
          const size = Math.exp(host.zr[n] * l);
          const [wr, wi] = [size * Math.cos(host.zi[n] * l), size * Math.sin(host.zi[n] * l)];
          const [re, im] = [host.cr[n] * wr - host.ci[n] * wi, host.cr[n] * wi + host.ci[n] * wr];
          want[at] += re;
          grads[0][n] += g[at] * l * re;
          grads[1][n] -= g[at] * l * im;
          grads[2][n] += g[at] * wr;
          grads[3][n] -= g[at] * wi;
        }
      }
      const tolerance = dtype === 'f64' ? 1e-11 : 1e-4;
      for (const [got, w] of [
        [k, want],
        [dz.re, grads[0]],
        [dz.im, grads[1]],
        [dc.re, grads[2]],
        [dc.im, grads[3]],
      ] as const) {
        const scale = Math.max(...w.map(Math.abs));
        (await list(got)).forEach((v, i) => expect(Math.abs(v - w[i])).toBeLessThan(tolerance * scale));
      }
    });
  }
});

for (const { kind, device } of testDevices()) {
  describe(`${kind}: what filters are made of`, () => {
    const numbers = (n: number, phase: number): number[] =>
      Array.from({ length: n }, (_, i) => Math.fround(Math.sin(phase + 1.7 * i + 0.01 * i * i)));

    test.skipIf(!device)('an associative scan over pairs of complex numbers is the recurrence', async () => {
      const [T, N] = [37, 3];
      const place = (phase: number, scale: number): Tensor =>
        tensor(numbers(T * N, phase), { shape: [1, T, N], device: device! }).mul(scale);
      const [a, x] = [0, 2].map((k) => ({ re: place(k, 0.7), im: place(k + 1, 0.7) }));
      const after = (l: Step, r: Step): Step => {
        const grown = times(r.a, l.x);
        return { a: times(r.a, l.a), x: { re: grown.re.add(r.x.re), im: grown.im.add(r.x.im) } };
      };
      const { x: scanned } = associativeScan(after, { a, x }, { axis: 1 });
      const h = complexRecurrence(a, x);
      const [ar, ai, xr, xi] = await Promise.all([a.re, a.im, x.re, x.im].map(list));
      const [wr, wi] = [new Float64Array(T * N), new Float64Array(T * N)];
      for (let i = 0; i < T * N; i++) {
        const [hr, hi] = i < N ? [0, 0] : [wr[i - N], wi[i - N]];
        wr[i] = ar[i] * hr - ai[i] * hi + xr[i];
        wi[i] = ar[i] * hi + ai[i] * hr + xi[i];
      }
      for (const [got, want] of [
        [scanned.re, wr],
        [scanned.im, wi],
        [h.re, wr],
        [h.im, wi],
      ] as const)
        (await list(got)).forEach((v, i) => expect(Math.abs(v - want[i])).toBeLessThan(1e-5));
    });

    test.skipIf(!device)(
      'a convolution by Fourier transforms: the error is below 2⁻²⁴ log₂ N ‖k‖ ‖x‖, and in the gradients',
      async () => {
        const [T, L] = [150, 101];
        const [x, k, g] = [numbers(T, 1), numbers(L, 2), numbers(T, 3)];
        const at = (v: number[], shape: number[]): Tensor => tensor(v, { shape, device: device! });
        const [y, [dx, dk]] = vjp(fftConv, [at(x, [1, T, 1]), at(k, [1, L])], at(g, [1, T, 1]));
        const direct = (a: number[], b: number[]): number[] =>
          a.map((_, t) => b.slice(0, t + 1).reduce((sum, v, l) => sum + v * a[t - l], 0));
        const turned = g.toReversed();
        const norm = (v: number[]): number => Math.hypot(...v);
        for (const [got, want, size] of [
          [y, direct(x, k), norm(x) * norm(k)],
          [dx, direct(turned, k).toReversed(), norm(g) * norm(k)],
          [dk, direct(turned, x).toReversed().slice(0, L), norm(g) * norm(x)],
        ] as const)
          (await list(got)).forEach((v, i) =>
            expect(Math.abs(v - want[i])).toBeLessThan(2 ** -24 * Math.log2(2 * T) * size),
          );
      },
    );
  });
}
