import { concat, key, stack, tensor, valueAndGrad, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { checkGradient, expectClose, golden, normals, numbers } from '../test/check.js';
import { shortConv, shortConvInit, shortConvState, shortConvStep } from './short-conv.js';

describe('shortConv', () => {
  const [B, C, W] = [2, 3, 4];
  const params = { weight: normals(2, [C, W]), bias: normals(3, [C]) };
  const state = (): Tensor => normals(4, [B, C, W - 1]);

  /** The definition: y_t = b + Σ_j w_{W-1-j} x_{t-j}. */
  async function loop(x: Tensor, past?: Tensor): Promise<number[]> {
    const [hx, hw, hb, hs] = [
      await numbers(x),
      await numbers(params.weight),
      await numbers(params.bias),
      past && (await numbers(past)),
    ];
    const T = x.shape[1];
    const y: number[] = [];
    for (let b = 0; b < B; b++)
      for (let t = 0; t < T; t++)
        for (let c = 0; c < C; c++) {
          let sum = hb[c];
          for (let j = 0; j < W; j++) {
            const at = t - j;
            const v = at >= 0 ? hx[(b * T + at) * C + c] : hs ? hs[(b * C + c) * (W - 1) + W - 1 + at] : 0;
            sum += hw[c * W + W - 1 - j] * v;
          }
          y.push(sum);
        }
    return y;
  }

  test.each([0, 1, 2, 3, 4, 7])('over T = %i is the definition, with and without a state', async (T) => {
    const x = normals(1, [B, T, C]);
    await expectClose(shortConv(x, params)[0], await loop(x), 1e-12);
    await expectClose(shortConv(x, params, { state: state() })[0], await loop(x, state()), 1e-12);
  });

  test('any cut gives the same, also pieces shorter than the filter', async () => {
    const x = normals(1, [B, 7, C]);
    const [whole, last] = shortConv(x, params, { state: state(), activation: 'silu' });
    for (let cut = 0; cut <= 7; cut++) {
      const [first, middle] = shortConv(x.slice(1, 0, cut), params, { state: state(), activation: 'silu' });
      const [second, end] = shortConv(x.slice(1, cut), params, { state: middle, activation: 'silu' });
      await expectClose(concat([first, second], 1), whole, 1e-12);
      await expectClose(end, last, 0);
    }
  });

  test('documents in one row are as apart', async () => {
    const T = 9;
    const x = normals(1, [B, T, C]);
    const begins = [
      [3, 5],
      [0, 8],
    ];
    const flags = begins.map((row) => Array.from({ length: T }, (_, t) => row.includes(t)));
    const packed = (rows: Tensor): Tensor => {
      const o = { state: state(), resets: tensor(flags), activation: 'silu' as const };
      return concat([shortConv(rows, params, o)[0], shortConv(rows, params, o)[1].transpose()], 1);
    };
    for (const [b, row] of begins.entries()) {
      const cuts = [0, ...row, T];
      for (let i = 0; i + 1 < cuts.length; i++) {
        const [from, to] = [cuts[i], cuts[i + 1]];
        const past = i === 0 ? { state: state().slice(0, b, b + 1) } : {};
        const alone = shortConv(x.slice(0, b, b + 1).slice(1, from, to), params, {
          ...past,
          activation: 'silu',
        });
        await expectClose(
          packed(x)
            .slice(0, b, b + 1)
            .slice(1, from, to),
          alone[0],
          1e-12,
        );
        if (to === T)
          await expectClose(
            packed(x)
              .slice(0, b, b + 1)
              .slice(1, T),
            alone[1].transpose(),
            1e-12,
          );
      }
    }
    await checkGradient(packed, x);
    expect(() => shortConv(x, params, { resets: tensor([flags[0]]) })).toThrow(
      'shortConv: resets must be [B, T] = [2, 9], got [1, 9].',
    );
  });

  test('steps are the train form', async () => {
    const x = normals(1, [B, 6, C]);
    const [whole, last] = shortConv(x, params, { activation: 'silu' });
    let s = shortConvState(B, C, W, { dtype: 'f64' });
    const ys: Tensor[] = [];
    for (let t = 0; t < 6; t++) {
      const [y, next] = shortConvStep(x.at(t, 1), params, s, { activation: 'silu' });
      ys.push(y);
      s = next;
    }
    await expectClose(stack(ys, 1), whole, 1e-12);
    await expectClose(s, last, 0);
  });

  test('the new state owns its memory: a long prompt is not kept alive', async () => {
    const x = normals(1, [1, 1000, C]);
    const before = x.device.memory().bytes;
    const [y, s] = shortConv(await x.realize(), params);
    await s.realize();
    y.dispose();
    x.dispose();
    expect(x.device.memory().bytes - before).toBeLessThanOrEqual(8 * C * (W - 1));
  });

  test('a filter of length 1 has an empty state', async () => {
    const one = { weight: normals(2, [C, 1]) };
    const x = normals(1, [B, 3, C]);
    const [y, s] = shortConv(x, one);
    expect(s.shape).toEqual([B, C, 0]);
    await expectClose(y, x.mul(one.weight.reshape([C])), 1e-13);
    const [z, next] = shortConvStep(x.at(0, 1), one, s);
    expect(next.shape).toEqual([B, C, 0]);
    await expectClose(z, y.at(0, 1), 1e-13);
  });

  test('gradients are central differences, through the state as well', async () => {
    for (const T of [1, 2, 5]) {
      const inputs = { x: normals(1, [B, T, C]), ...params, state: state() };
      await checkGradient(
        ({ x, weight, bias, state }) => shortConv(x, { weight, bias }, { state, activation: 'silu' }),
        inputs,
      );
    }
    await checkGradient(({ x, weight }) => shortConv(x, { weight }), {
      x: normals(1, [B, 5, C]),
      weight: params.weight,
    });
    const token = { x: normals(1, [B, C]), ...params, state: state() };
    await checkGradient(
      ({ x, weight, bias, state }) => shortConvStep(x, { weight, bias }, state, { activation: 'silu' }),
      token,
    );
  });

  test.each(golden('causal_conv1d'))('golden $name', async (c) => {
    const inputs = {
      x: c.get('in.x').swapAxes(1, 2),
      weight: c.get('param.weight'),
      bias: c.get('param.bias'),
    };
    const initial = c.has('in.initial_states') ? c.get('in.initial_states') : undefined;
    const p = { ...inputs, ...(initial && { state: initial }) };
    const run = (q: typeof p): [Tensor, Tensor] =>
      shortConv(q.x, q, { activation: 'silu', ...(q.state && { state: q.state }) });
    const [, grads] = valueAndGrad((q: typeof p) => run(q)[0].swapAxes(1, 2).mul(c.get('in.G.y')).sum(), p);
    const [y, s] = run(p);
    await expectClose(y.swapAxes(1, 2), c.get('out.y'), 1e-9);
    await expectClose(s, c.get('out.final_states'), 1e-9);
    await expectClose(grads.x.swapAxes(1, 2), c.get('grad.in.x'), 1e-9);
    await expectClose(grads.weight, c.get('grad.param.weight'), 1e-9);
    await expectClose(grads.bias, c.get('grad.param.bias'), 1e-9);
    if (initial) await expectClose(grads.state!, c.get('grad.in.initial_states'), 1e-9);
    const [b, , T] = c.get('in.x').shape;
    let now = initial ?? zeros([b, inputs.weight.shape[0], 3], { dtype: 'f64' });
    for (let t = 0; t < T; t++) {
      const [out, next] = shortConvStep(inputs.x.at(t, 1), inputs, now, { activation: 'silu' });
      await expectClose(out, c.get('state.y_step').at(t, 2), 1e-9);
      await expectClose(next, c.get('state.conv_t').at(t, 1), 1e-9);
      now = next;
    }
  });

  test('initial weights lie within ±1/√W', async () => {
    const { weight, bias } = shortConvInit(key(0), 500, 4);
    for (const v of [...(await numbers(weight)), ...(await numbers(bias!))])
      expect(Math.abs(v)).toBeLessThanOrEqual(0.5);
    expect(shortConvInit(key(0), 5, 4, { bias: false }).bias).toBeUndefined();
  });

  test('says what does not fit', () => {
    expect(() => shortConv(normals(1, [B, 5]), params)).toThrow(
      'shortConv: x must be [B, T, C], got [2, 5].',
    );
    expect(() => shortConv(normals(1, [B, 5, 4]), params)).toThrow(
      'shortConv: weight must be [C, W] with C = 4 as in x, got [3, 4].',
    );
    expect(() => shortConv(normals(1, [B, 5, C]), params, { state: normals(1, [B, C, W]) })).toThrow(
      'shortConv: state must be [B, C, W − 1] = [2, 3, 3], got [2, 3, 4]. Make it with shortConvState(2, 3, 4).',
    );
    expect(() =>
      shortConv(tensor(new Float64Array(6), { shape: [1, 2, 3] }), params, { activation: 'relu' as 'silu' }),
    ).toThrow("shortConv: activation must be 'silu' or absent, got 'relu'.");
  });
});
