import { concat, explain, key, normal, tensor, treeLeaves, vjp } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import { expect, test } from 'vitest';
import { complexSelectiveScan, selectiveScan } from './index.js';

const f64 = { dtype: 'f64' } as const;
const draw = (seed: number, shape: number[]): Tensor => normal(key(seed), shape, f64);

test('complex rates: the recurrence written out, groups, fixed C', async () => {
  const [B, T, C, N, G] = [2, 7, 4, 3, 2];
  const pair = (seed: number, shape: number[]): Complex => ({
    re: draw(seed, shape),
    im: draw(seed + 1, shape),
  });
  const [u, delta] = [draw(1, [B, T, C]), draw(2, [B, T, C]).square()];
  const A = { re: draw(3, [C, N]).square().neg(), im: draw(4, [C, N]) };
  const [Bs, Cs, h0] = [pair(5, [B, T, G, N]), pair(7, [C, N]), pair(9, [B, C, N])];
  const [y, h] = complexSelectiveScan(u, delta, A, Bs, Cs, { h0 });
  const data = async (x: Tensor): Promise<ArrayLike<number>> => x.data();
  const [U, S, AR, AI, BR, BI, CR, CI, HR, HI] = await Promise.all(
    [u, delta, A.re, A.im, Bs.re, Bs.im, Cs.re, Cs.im, h0.re, h0.im].map(data),
  );
  const [got, lastRe] = [await data(y), await data(h.re)];
  for (let b = 0; b < B; b++) {
    for (let c = 0; c < C; c++) {
      const [hr, hi] = [HR, HI].map((x) => Array.from({ length: N }, (_, n) => x[(b * C + c) * N + n]));
      for (let t = 0; t < T; t++) {
        const i = (b * T + t) * C + c;
        let sum = 0;
        for (let n = 0; n < N; n++) {
          const group = ((b * T + t) * G + Math.floor((c * G) / C)) * N + n;
          const size = Math.exp(S[i] * AR[c * N + n]);
          const [ar, ai] = [size * Math.cos(S[i] * AI[c * N + n]), size * Math.sin(S[i] * AI[c * N + n])];
          const by = S[i] * U[i];
          [hr[n], hi[n]] = [
            ar * hr[n] - ai * hi[n] + by * BR[group],
            ar * hi[n] + ai * hr[n] + by * BI[group],
          ];
          sum += 2 * (CR[c * N + n] * hr[n] - CI[c * N + n] * hi[n]);
        }
        expect(got[i]).toBeCloseTo(sum, 12);
      }
      for (let n = 0; n < N; n++) expect(lastRe[(b * C + c) * N + n]).toBeCloseTo(hr[n], 12);
    }
  }
});

test('with real numbers it is twice the real scan, every option beside, with all gradients', async () => {
  const [u, delta, z] = [1, 2, 3].map((seed) => draw(seed, [1, 9, 2]));
  const A = draw(4, [2, 3]).square().neg();
  const [Bs, Cs, h0] = [draw(5, [1, 9, 3]), draw(6, [1, 9, 3]), draw(7, [1, 2, 3])];
  const [D, deltaBias] = [tensor([1, -2], f64), tensor([0.3, -0.1], f64)];
  const params = { u, delta, A, Bs, Cs, h0, D, z, deltaBias };
  const real = (x: Tensor): Complex => ({ re: x, im: x.zeros() });
  const complex = (p: typeof params): [Tensor, Tensor] => {
    const o = { ...p, h0: real(p.h0), deltaSoftplus: true };
    const [y, h] = complexSelectiveScan(p.u, p.delta, real(p.A), real(p.Bs), real(p.Cs), o);
    return [y, h.re];
  };
  const twice = (p: typeof params): [Tensor, Tensor] =>
    selectiveScan(p.u, p.delta, p.A, p.Bs, p.Cs.mul(2), { ...p, deltaSoftplus: true });
  const weights = [draw(8, [1, 9, 2]), draw(9, [1, 2, 3])] as [Tensor, Tensor];
  const [got, want] = [complex, twice].map((scan) => treeLeaves(vjp(scan, [params], weights)));
  expect(got).toHaveLength(2 + Object.keys(params).length);
  for (const [i, x] of got.entries()) expect(await x.sub(want[i]).abs().max().item()).toBeLessThan(1e-12);
});

test('in chunks it is what it is at once, with all gradients, in a part of the memory', async () => {
  const [B, T, C, N] = [1, 211, 2, 3];
  const pair = (seed: number, shape: number[]): Complex => ({
    re: draw(seed, shape),
    im: draw(seed + 1, shape),
  });
  const given = {
    ...{ u: draw(1, [B, T, C]), delta: draw(2, [B, T, C]).square(), z: draw(11, [B, T, C]) },
    ...{ A: { re: draw(3, [C, N]).square().neg(), im: draw(4, [C, N]) }, h0: pair(9, [B, C, N]) },
    ...{ Bs: pair(5, [B, T, N]), Cs: pair(7, [C, N]) },
  };
  type Given = typeof given;
  const whole = (p: Given): [Tensor, Tensor, Tensor] => {
    const [y, h] = complexSelectiveScan(p.u, p.delta, p.A, p.Bs, p.Cs, { z: p.z, h0: p.h0 });
    return [y, h.re, h.im];
  };
  /** Each position by itself, which no chunk contains another of. */
  const stepwise = (p: Given): [Tensor, Tensor, Tensor] => {
    let h = p.h0;
    const ys: Tensor[] = [];
    for (let t = 0; t < T; t++) {
      const at = (x: Tensor): Tensor => x.slice(1, t, t + 1);
      const Bs = { re: at(p.Bs.re), im: at(p.Bs.im) };
      const [y, next] = complexSelectiveScan(at(p.u), at(p.delta), p.A, Bs, p.Cs, { z: at(p.z), h0: h });
      ys.push(y);
      h = next;
    }
    return [concat(ys, 1), h.re, h.im];
  };
  const weights = [draw(12, [B, T, C]), draw(13, [B, C, N]), draw(14, [B, C, N])] as [Tensor, Tensor, Tensor];
  const [got, want] = [whole, stepwise].map((form) => treeLeaves(vjp(form, [given], weights)));
  expect(got).toHaveLength(3 + 11);
  for (const [i, x] of got.entries()) expect(await x.sub(want[i]).abs().max().item()).toBeLessThan(1e-11);

  const long = { T: 4096, C: 4, N: 16 };
  const f32 = (seed: number, shape: number[]): Tensor => normal(key(seed), shape);
  const [u, delta] = [f32(1, [1, long.T, long.C]), f32(2, [1, long.T, long.C])];
  const [A, Bs, Cs] = [
    [long.C, long.N],
    [1, long.T, long.N],
    [1, long.T, long.N],
  ].map((shape, i): Complex => ({ re: f32(3 + i, shape), im: f32(6 + i, shape) }));
  const train = (...p: [Tensor, Tensor, Complex, Complex, Complex]) =>
    vjp((...q: typeof p) => complexSelectiveScan(...q)[0], p, u);
  const { peakBytes, inputBytes, outputBytes } = explain(train, u, delta, A, Bs, Cs);
  // Less than one array of all states, beside arguments, results and gradients.
  expect(peakBytes - inputBytes - outputBytes).toBeLessThan(2 * 4 * long.T * long.C * long.N);
});
