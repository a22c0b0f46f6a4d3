import { grad, tensor, valueAndGrad } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { checkGradient, expectClose, golden, normals, numbers } from '../test/check.js';
import { rmsNormGated, rmsNormGatedOp } from './gated-norm.js';
import type { RmsNormGatedOptions } from './gated-norm.js';

const [C, shape] = [6, [2, 3, 6]];
const x = normals(1, shape);
const z = normals(2, shape);
const weight = normals(3, [C]);
const bias = normals(4, [C]);

/** Plain loops over groups. */
async function loop({
  eps = 1e-6,
  groupSize = C,
  normBeforeGate = true,
  gate = 'silu',
}: RmsNormGatedOptions): Promise<number[]> {
  const [hx, hz, hw, hb] = await Promise.all([x, z, weight, bias].map(numbers));
  const g = hz.map((v) => (gate === 'silu' ? v : 1) / (1 + Math.exp(-v)));
  const v = hx.map((value, i) => (normBeforeGate ? value : value * g[i]));
  return v.map((value, i) => {
    const start = i - (i % groupSize);
    const power = v.slice(start, start + groupSize).reduce((s, u) => s + u * u, 0) / groupSize;
    const y = (value / Math.sqrt(power + eps)) * hw[i % C] + hb[i % C];
    return normBeforeGate ? y * g[i] : y;
  });
}

const variants: RmsNormGatedOptions[] = [];
for (const normBeforeGate of [true, false])
  for (const gate of ['silu', 'sigmoid'] as const)
    for (const groupSize of [6, 2]) variants.push({ normBeforeGate, gate, groupSize, eps: 1e-3 });

describe('rmsNormGated', () => {
  test.each(variants)('%j is the plain loop, its reference, and has its gradient', async (o) => {
    await expectClose(rmsNormGated(x, z, { weight, bias }, o), await loop(o), 1e-12);
    for (const params of [{}, { weight }, { bias }, { weight, bias }]) {
      const attrs = {
        eps: o.eps!,
        groupSize: o.groupSize!,
        normBeforeGate: o.normBeforeGate!,
        silu: o.gate === 'silu',
        weight: 'weight' in params,
        bias: 'bias' in params,
      };
      const reference = rmsNormGatedOp.reference!([x, z, ...Object.values(params)], attrs) as Tensor;
      await expectClose(rmsNormGated(x, z, params, o), reference, 1e-12);
      await checkGradient((p) => rmsNormGated(p.x, p.z, p.params, o), { x, z, params });
    }
  });

  test.each(variants)('%j: a gradient can be differentiated again', async (o) => {
    const inputs = { x: normals(1, [2, 6]), z: normals(2, [2, 6]), weight, bias };
    const cube = (p: typeof inputs): Tensor => rmsNormGated(p.x, p.z, p, o).pow(3).sum();
    await checkGradient(
      (p) => {
        const g = grad(cube, p);
        return [g.x, g.z, g.weight];
      },
      inputs,
      { tolerance: 1e-6 },
    );
  });

  test('reads views, and any number of rows', async () => {
    const view = normals(1, [6, 4, 3]).transpose([1, 2, 0]);
    await expectClose(rmsNormGated(view, view), rmsNormGated(view.contiguous(), view.contiguous()), 0);
    expect(rmsNormGated(normals(1, [0, 6]), normals(1, [0, 6])).shape).toEqual([0, 6]);
  });

  test('shut and wide open gates are finite, gradients too', async () => {
    for (const gate of ['silu', 'sigmoid'] as const) {
      const inputs = { x: tensor([1, 2, 3]), z: tensor([-1000, -Infinity, 1000]) };
      const [y, g] = valueAndGrad((p: typeof inputs) => rmsNormGated(p.x, p.z, {}, { gate }).sum(), inputs);
      for (const v of [y, g.x, g.z]) for (const n of await numbers(v)) expect(n).toSatisfy(Number.isFinite);
    }
  });

  test.each(golden('rmsnorm_gated'))('golden $name', async (c) => {
    const inputs = { x: c.get('in.x'), z: c.get('in.z'), weight: c.get('param.weight') };
    const o = {
      eps: c.options['eps'] as number,
      normBeforeGate: c.options['norm_before_gate'] as boolean,
    };
    const [, g] = valueAndGrad(
      (p: typeof inputs) => rmsNormGated(p.x, p.z, { weight: p.weight }, o).mul(c.get('in.G.y')).sum(),
      inputs,
    );
    await expectClose(rmsNormGated(inputs.x, inputs.z, { weight: inputs.weight }, o), c.get('out.y'), 1e-9);
    await expectClose(g.x, c.get('grad.in.x'), 1e-9);
    await expectClose(g.z, c.get('grad.in.z'), 1e-9);
    await expectClose(g.weight, c.get('grad.param.weight'), 1e-9);
  });

  test.each([
    [() => rmsNormGated(x, z.slice(0, 0, 1)), 'z must have the shape of x, [2, 3, 6], got [1, 3, 6].'],
    [() => rmsNormGated(x, z, { weight: normals(1, [4]) }), 'weight and bias must be [C] = [6], got [4]'],
    [() => rmsNormGated(x, z.cast('f32')), 'must have the dtype of x, f64, got f32.'],
    [() => rmsNormGated(x, z, {}, { groupSize: 4 }), 'groupSize must divide the channels C = 6, got 4.'],
    [() => rmsNormGated(x, z, {}, { eps: -1 }), 'eps must not be negative, got -1.'],
    [
      () => rmsNormGated(x, z, {}, { gate: 'tanh' as 'silu' }),
      "gate must be 'silu' or 'sigmoid', got 'tanh'.",
    ],
  ])('refuses %#', (run, message) => {
    expect(run).toThrow(message);
  });
});
