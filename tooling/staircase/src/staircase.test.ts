import { cpu, createCpu, grad, key, mul, normal, ones, sum, uniform } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance, hostRandom, toTensor } from '@seq/testing';
import type { Core } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import * as kernel from './kernel.js';
import { gammaTapsNaive } from './naive.js';
import * as parallel from './parallel.js';
import type { GammaTaps } from './parallel.js';
import * as simd from './simd.js';
import * as step from './step.js';

const [C, N] = [4, 3];
const small = { dModel: C, stateDim: N };

const inputs: Core['inputs'] = ({ B, T, random }) => ({
  x: random.normal([B, T, C]),
  rate: random.uniform([C]),
  taps: random.normal([B, C, N]),
});

const core = (taps: GammaTaps): Core => ({
  inputs,
  op: (t) => taps(t['x'], t['rate'], t['taps']),
  naive: ({ x, rate, taps: from }) =>
    gammaTapsNaive({ x: x.data, rate: rate.data, taps: from.data }, { B: x.shape[0], T: x.shape[1], C, N }),
});

conformance(step.gammaMemory, {
  name: 'gamma memory: step',
  small,
  naive(p, x) {
    const [B, T] = x.shape;
    const rate = p['logitRate'].data.map((l) => 1 / (1 + Math.exp(-l)));
    const g = gammaTapsNaive({ x: x.data, rate, taps: new Float64Array(B * C * N) }, { B, T, C, N });
    const [w, b] = [p['out.weight'].data, p['out.bias'].data];
    return Float64Array.from({ length: B * T * C }, (_, i) => {
      const [at, c] = [Math.floor(i / C) * C * N, i % C];
      return b[c] + g.subarray(at, at + C * N).reduce((y, v, j) => y + w[c * C * N + j] * v, 0);
    });
  },
});
conformance(parallel.gammaMemory, { name: 'gamma memory: parallel', small, core: core(parallel.gammaTaps) });
conformance(kernel.gammaMemory, { name: 'gamma memory: kernel', small, core: core(kernel.fusedGammaTaps) });
conformance(simd.gammaMemory, { name: 'gamma memory: simd', small, core: core(simd.simdGammaTaps) });

describe('the stairs', () => {
  const random = hostRandom(1);
  const host = inputs({ B: 2, T: 7, random });
  const place = { device: cpu(), dtype: 'f64' } as const;
  const weight = toTensor(random.normal([2, 7, C, N]), place);

  test('second gradients of the kernel are those of the parallel form', async () => {
    const second = (taps: GammaTaps): Record<string, Tensor> => {
      const loss = (p: Record<string, Tensor>): Tensor => {
        const g = taps(p['x'], p['rate'], p['taps']);
        return sum(mul(weight, mul(g, g)));
      };
      const along = (p: Record<string, Tensor>): Tensor =>
        Object.values(grad(loss, p)).reduce((all, g) => all.add(sum(mul(g, g))), ones([], place));
      return grad(along, Object.fromEntries(Object.entries(host).map(([n, h]) => [n, toTensor(h, place)])));
    };
    const [got, want] = [second(kernel.fusedGammaTaps), second(parallel.gammaTaps)];
    for (const name of Object.keys(host)) {
      const expected = await want[name].data();
      for (const [i, v] of (await got[name].data()).entries())
        expect(Math.abs(v - expected[i]), name).toBeLessThan(1e-9 * (1 + Math.abs(expected[i])));
    }
  });

  test('rate 1 is a plain delay line, rate 0 keeps what was there', async () => {
    const x = toTensor({ data: Float64Array.of(1, 2, 3), shape: [1, 3, 1] }, place);
    const from = toTensor({ data: Float64Array.of(0, 7, 8), shape: [1, 1, 3] }, place);
    const last = async (rate: number): Promise<number[]> => [
      ...(await kernel
        .fusedGammaTaps(x, ones([1], place).mul(rate), from)
        .at(2, 1)
        .data()),
    ];
    expect(await last(1)).toEqual([3, 2, 1]);
    expect(await last(0)).toEqual([3, 7, 8]);
  });

  test.each([1, 3, 4, 5, 9, 16])('WebAssembly equals the loops with %i taps', async (taps) => {
    const [B, T, C] = [3, 11, 5];
    const run = (options: Parameters<typeof createCpu>[0]): Promise<number[]> => {
      const device = createCpu(options);
      const [x, rate, before] = [[B, T, C], [C], [B, C, taps]].map((shape, i) =>
        (i === 1 ? uniform : normal)(key(i, { device }), shape),
      );
      return simd
        .simdGammaTaps(x, rate, before)
        .data()
        .then((data) => [...data]);
    };
    const want = await run({ wasm: false });
    for (const wasm of [true, 'plain'] as const) {
      const got = await run({ wasm, poison: true });
      expect(got.length).toBe(want.length);
      for (const [i, v] of got.entries())
        expect(Math.abs(v - want[i])).toBeLessThan(1e-6 * (1 + Math.abs(want[i])));
    }
  });

  test('wrong shapes and sizes are refused where they are given', () => {
    expect(() => kernel.fusedGammaTaps(ones([2, 3, 4]), ones([3]), ones([2, 4, 3]))).toThrow(
      'gammaTaps: x must be [B, T, C], rate [C] and taps [B, C, N], got [2, 3, 4], [3], [2, 4, 3].',
    );
    expect(() => step.gammaMemory({ dModel: 4, stateDim: 1 })).toThrow(
      'stateDim must be an integer of at least 2',
    );
  });
});
