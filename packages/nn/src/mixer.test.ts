import {
  arange,
  bernoulli,
  cpu,
  createCpu,
  foldIn,
  grad,
  key,
  linearRecurrence,
  normal,
  ones,
  SeqError,
  stack,
  tensor,
  treeLeaves,
  updateAt,
  where,
  zeros,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { checkGradient, expectClose, normals } from '../test/check.js';
import { dropout } from './dropout.js';
import { linear, linearInit } from './linear.js';
import type { LinearParams } from './linear.js';
import { bind, cloneState, defineMixer, fromSpec } from './mixer.js';
import type { CausalMixer, NoncausalMixer, RunOption } from './mixer.js';

const C = 3;

/** A leaky integrator, given as `step` alone, as a newcomer would write it. */
function leaky({ dModel }: { dModel: number }) {
  return defineMixer({
    spec: { kind: 'test/leaky', dModel, options: {} },
    serial: true,
    init: (k, o) => ({ logit: normal(k, [dModel], o), out: linearInit(k, dModel, dModel, o) }),
    initState: (B, o) => ({ h: zeros([B, dModel], o) }),
    step({ logit, out }, x, { h }) {
      const a = logit.sigmoid();
      const next = h.mul(a).add(x.sub(x.mul(a)));
      return [linear(next, out), { h: next }];
    },
    cost: ({ B, T }) => ({ params: 0, matmulFlops: 0, flops: B * T, stateFloats: B * dModel }),
  });
}

/** The same with a parallel form of its own that honours what is listed. */
function parallel(honours?: readonly RunOption[]) {
  const calls: string[] = [];
  const mixer = defineMixer({
    spec: { kind: 'test/parallel', dModel: C, options: {} },
    ...(honours && { honours }),
    init: (k, o) => ({ a: normal(k, [C], o).sigmoid() }),
    initState: (B) => ({ h: zeros([B, C], { dtype: 'f64' }) }),
    prefill({ a }, x, { h }, o = {}) {
      calls.push(`prefill ${Object.keys(o).join()}`);
      const y = linearRecurrence(a, x, { initial: h });
      return [y, { h: x.shape[1] > 0 ? y.at(-1, 1) : h }];
    },
    step({ a }, x, { h }, o = {}) {
      calls.push(`step ${Object.keys(o).join()}`);
      const next = h.mul(a).add(x);
      return [next, { h: next }];
    },
    cost: ({ B, T }) => ({ params: C, matmulFlops: 0, flops: 2 * B * T * C, stateFloats: B * C }),
  });
  return { mixer, calls, params: mixer.init(key(1), { dtype: 'f64' }) };
}

const mixer = leaky({ dModel: C });
const params = mixer.init(key(1), { dtype: 'f64' });
const f64 = { dtype: 'f64' } as const;
const i32 = (data: number[]): Tensor => tensor(data, { dtype: 'i32' });

/** Outputs [B, T, C] of the fold of `step`, and the last state. */
function fold<P, S>(m: CausalMixer<P, S>, p: P, x: Tensor, state: S): [Tensor, S] {
  const ys: Tensor[] = [];
  for (let t = 0; t < x.shape[1]; t++) {
    const [y, next] = m.step(p, x.at(t, 1), state);
    ys.push(y);
    state = next;
  }
  return [stack(ys, 1), state];
}

describe('defineMixer', () => {
  test('infers parameters and states without a cast', () => {
    expectTypeOf(mixer).toEqualTypeOf<CausalMixer<{ logit: Tensor; out: LinearParams }, { h: Tensor }>>();
    const blind = defineMixer({
      spec: { kind: 'test/blind', dModel: 2, options: {} },
      causal: false,
      init: (k) => ({ w: normal(k, [2]) }),
      forward: ({ w }, x) => x.mul(w),
      cost: () => ({ params: 2, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    expectTypeOf(blind).toEqualTypeOf<NoncausalMixer<{ w: Tensor }>>();
    expect(blind.causal).toBe(false);
    expect('step' in blind).toBe(false);
  });

  test.each([1, 2, 7])('derives prefill and forward from step, T = %i', async (T) => {
    const x = normals(2, [2, T, C]);
    const [want, last] = fold(mixer, params, x, mixer.initState(2, f64));
    await expectClose(mixer.forward(params, x), want, 1e-12);
    const [y, state] = mixer.prefill(params, x, mixer.initState(2, f64));
    await expectClose(y, want, 1e-12);
    await expectClose(state.h, last.h, 1e-12);
  });

  test('T = 0 gives no output and leaves the state', async () => {
    const x = zeros([2, 0, C], f64);
    expect(mixer.forward(params, x).shape).toEqual([2, 0, C]);
    const h = normals(5, [2, C]);
    const [y, state] = mixer.prefill(params, x, { h: h.alias() });
    expect(y.shape).toEqual([2, 0, C]);
    await expectClose(state.h, h, 0);
  });

  test('forward is derived from a given prefill', async () => {
    const { mixer: m, params: p, calls } = parallel();
    const x = normals(2, [2, 5, C]);
    await expectClose(m.forward(p, x), fold(m, p, x, m.initState(2))[0], 1e-12);
    expect(calls[0]).toBe('prefill ');
  });

  test('gradients run through the derived forms and through states', async () => {
    const inputs = { params, x: normals(2, [2, 3, C]), state: { h: normals(3, [2, C]) } };
    await checkGradient((i) => {
      const [y, { h }] = mixer.prefill(i.params, i.x, cloneState(i.state));
      return [y, h];
    }, inputs);
    await checkGradient((i) => {
      const [y, { h }] = fold(mixer, i.params, i.x, cloneState(i.state));
      return [y, h];
    }, inputs);
  });

  test('parameters are made on the device and in the dtype asked for', () => {
    for (const leaf of treeLeaves(mixer.init(key(0), { device: cpu(), dtype: 'f64' })))
      expect(leaf.dtype).toBe('f64');
    for (const leaf of treeLeaves(mixer.init(key(0)))) expect(leaf.dtype).toBe('f32');
  });

  test('a fold of step over 10,000 positions runs in constant memory', async () => {
    const device = createCpu();
    const p = mixer.init(key(1, { device }), { device });
    const x = zeros([1, C], { device });
    let state = mixer.initState(1, { device });
    const run = async (steps: number): Promise<{ tensors: number; bytes: number; peakBytes: number }> => {
      for (let t = 0; t < steps; t++) {
        const [y, next] = mixer.step(p, x, state);
        state = next;
        y.dispose();
      }
      await state.h.realize();
      return device.memory();
    };
    const early = await run(500);
    const late = await run(9500);
    expect([late.tensors, late.bytes]).toEqual([early.tensors, early.bytes]);
    expect(late.peakBytes).toBeLessThan(1000); // 9,500 states would be 114,000
  });

  test('leaves nothing behind but what it returns', async () => {
    const x = await normals(2, [2, 4, C]).realize();
    const device = x.device;
    const before = device.memory().tensors;
    const y = mixer.forward(params, x);
    const [z, state] = mixer.prefill(params, x, mixer.initState(2, f64));
    await Promise.all([y.realize(), z.realize(), state.h.realize()]);
    expect(device.memory().tensors - before).toBe(3);
    for (const t of [y, z, state.h]) t.dispose();
    expect(device.memory().tensors).toBe(before);
  });
});

describe('states are moved', () => {
  const token = (): Tensor => normals(4, [2, C]);
  const used =
    'this state was already used by an earlier step. Keep the state that step returned, or cloneState() before branching.';

  test('a state given to step or prefill is dead for both', () => {
    for (const first of ['step', 'prefill'] as const) {
      for (const second of ['step', 'prefill'] as const) {
        const state = mixer.initState(2, f64);
        const run = (form: 'step' | 'prefill'): unknown =>
          mixer[form](params, form === 'step' ? token() : normals(4, [2, 3, C]), state);
        run(first);
        expect(() => run(second)).toThrow(`leaky.${second}: ${used}`);
        expect(() => cloneState(state)).toThrow(
          'cloneState: this state was already used by an earlier step.',
        );
      }
    }
  });

  test('its handles are dead too, with the same code', () => {
    const state = mixer.initState(2, f64);
    mixer.step(params, token(), state);
    const error = catching(() => state.h.add(1));
    expect(SeqError.is(error, 'state-moved')).toBe(true);
    expect((error as Error).message).toContain(used);
    const copied = { ...state };
    expect(catching(() => mixer.step(params, token(), copied))).toMatchObject({ code: 'state-moved' });
  });

  test('a state without leaves is moved as well', () => {
    const nothing = { rest: 'none' };
    const m = defineMixer({
      spec: { kind: 'test/none', dModel: C, options: {} },
      init: () => ({}),
      initState: () => nothing,
      step: (_p, x, s) => [x, s],
      cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    const state = m.initState(2);
    const [, next] = m.step({}, token(), state);
    expect(() => m.step({}, token(), state)).toThrow(`none.step: ${used}`);
    expect(() => m.step({}, token(), next)).not.toThrow();
    expect(() => m.step({}, token(), m.initState(2))).not.toThrow();
  });

  test('cloneState forks: both branches go on, and agree with runs of their own', async () => {
    const [, state] = mixer.step(params, token(), mixer.initState(2, f64));
    const fork = cloneState(state);
    const [one] = mixer.step(params, normals(6, [2, C]), state);
    const [two] = mixer.step(params, normals(7, [2, C]), fork);
    for (const [y, seed] of [
      [one, 6],
      [two, 7],
    ] as const) {
      await expectClose(
        y,
        fold(mixer, params, stack([token(), normals(seed, [2, C])], 1), mixer.initState(2, f64))[0].at(1, 1),
        1e-12,
      );
    }
  });

  test('moving a state does not kill the x, y or parameter that it was made of', async () => {
    const shift = defineMixer({
      spec: { kind: 'test/shift', dModel: C, options: {} },
      init: (k, o) => ({ first: normal(k, [1, C], o) }),
      initState: (B, o) => ({ last: zeros([B, C], { dtype: o?.dtype ?? 'f32' }) }),
      step: (_p, x, { last }) => [last, { last: x }],
      cost: () => ({ params: C, matmulFlops: 0, flops: 0, stateFloats: C }),
    });
    const p = shift.init(key(0), f64);
    const x = token();
    const [, s1] = shift.step(p, x, shift.initState(2, f64));
    const [y, s2] = shift.step(p, x, s1);
    shift.step(p, x, s2);
    await expectClose(y, x, 0);
  });

  test('a refused call leaves the state alive', () => {
    const state = mixer.initState(2, f64);
    expect(() => mixer.step(params, normals(1, [2, 1, C]), state)).toThrow('x must be');
    expect(() => mixer.step(params, token(), state)).not.toThrow();
  });
});

describe('messages', () => {
  const m = leaky({ dModel: 256 });
  const p = m.init(key(0));
  test.each([
    [
      () => m.step(p, zeros([2, 1, 256]), m.initState(2)),
      'leaky.step: x must be [B, C] = [2, 256], got [2, 1, 256]. step takes one token without a time axis; for several use prefill.',
    ],
    [
      () => m.step(p, zeros([2, 255]), m.initState(2)),
      'leaky.step: x must be [B, C] = [2, 256], got [2, 255]. The last axis is dModel.',
    ],
    [
      () => m.forward(p, zeros([2, 256])),
      'leaky.forward: x must be [B, T, C] = [2, T, 256], got [2, 256]. forward takes positions along axis 1; for one token without a time axis use step.',
    ],
    [
      () => m.prefill(p, zeros([2, 5, 9]), m.initState(2)),
      'leaky.prefill: x must be [B, T, C] = [2, 5, 256], got [2, 5, 9]. The last axis is dModel.',
    ],
    [
      () => m.forward(p, zeros([2, 5, 256], { dtype: 'i32' })),
      'leaky.forward: x must be floating, got i32. Embed token ids first.',
    ],
    [
      () => m.step(p, zeros([2, 256]), m.initState(3)),
      'leaky.step: the state must have the batch of x, B = 2, got h [3, 256]. Make it with initState(2).',
    ],
    [
      () => m.step(p, zeros([2, 256]), undefined as never),
      'leaky.step: a state is needed as third argument, got undefined. Make one with initState(2).',
    ],
    [
      () => m.initState(1.5),
      'leaky.initState: batch must be a whole number, got 1.5. Pass B, the first axis of x.',
    ],
    [
      () => m.forward(p, zeros([2, 5, 256]), { lengths: zeros([3], { dtype: 'i32' }) }),
      'leaky.forward: lengths must be [B] = [2], got [3].',
    ],
    [
      () => m.forward(p, zeros([2, 5, 256]), { lengths: zeros([2]) }),
      "leaky.forward: lengths must be i32, got f32. Use cast(lengths, 'i32').",
    ],
    [
      () => m.prefill(p, zeros([2, 5, 256]), m.initState(2), { resets: zeros([2], { dtype: 'bool' }) }),
      'leaky.prefill: resets must be [B, T] = [2, 5], got [2].',
    ],
    [
      () => m.forward(p, zeros([2, 5, 256]), { context: zeros([2, 5, 256]) }),
      'leaky.forward: context is not honoured by this mixer (it honours none). Leave it out, or choose a mixer that does.',
    ],
    [() => m.cost({ B: 1, T: -1, form: 'forward' }), 'leaky.cost: T must be a whole number, got -1.'],
    [
      () => m.cost({ B: 1, T: 1, form: 'fast' as 'step' }),
      'leaky.cost: form must be forward, prefill or step, got fast.',
    ],
    [() => leaky({ dModel: 0 }), 'leaky: dModel must be a positive integer, got 0.'],
  ] as const)('%#', (run, message) => {
    const error = catching(run);
    expect((error as Error).message).toBe(message);
    expect(SeqError.is(error)).toBe(true);
  });

  test('a mechanism that answers the wrong shape is told so', () => {
    const wrong = defineMixer({
      spec: { kind: 'test/wrong', dModel: C, options: {} },
      init: () => ({}),
      initState: () => ({}),
      step: (_p, x, s) => [x.sum(1), s],
      cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    expect(() => wrong.step({}, zeros([2, C]), {})).toThrow(
      'wrong.step: y must have the shape of x, [2, 3], the mechanism returned [2].',
    );
    expect(() => wrong.forward({}, zeros([2, 4, C]))).toThrow(
      'wrong.step: y must have the shape of x, [2, 3], the mechanism returned [2].',
    );
  });
});

describe('run options', () => {
  const x = normals(2, [3, 5, C]);
  const lengths = [5, 0, 3];
  const flags = [
    [0, 0, 1, 0, 1],
    [0, 0, 0, 0, 0],
    [1, 1, 0, 0, 1],
  ];
  const resets = (): Tensor => tensor(flags, { dtype: 'bool' });
  const start = (): { h: Tensor } => ({ h: normals(9, [3, C]) });

  /** One row by hand: positions below the length, the state put back to zero at resets. */
  async function byHand(
    m: CausalMixer<never, { h: Tensor }>,
    p: unknown,
    b: number,
    o: { lengths?: boolean; resets?: boolean },
  ): Promise<{ y: Tensor; h: Tensor }> {
    let state = { h: start().h.slice(0, b, b + 1) };
    const ys: Tensor[] = [];
    for (let t = 0; t < 5; t++) {
      if (o.lengths && t >= lengths[b]) {
        ys.push(zeros([1, C], f64));
        continue;
      }
      if (o.resets && flags[b][t]) state = m.initState(1, f64);
      const [y, next] = m.step(p as never, x.slice(0, b, b + 1).at(t, 1), state);
      ys.push(y);
      state = next;
    }
    return { y: stack(ys, 1), h: state.h };
  }

  test.each([
    ['step alone', mixer, params],
    ['a parallel form', parallel().mixer, parallel().params],
  ] as const)('lengths and resets are derived for %s, in every form', async (_name, m, p) => {
    const any = m as unknown as CausalMixer<unknown, { h: Tensor }>;
    expect(any.honours).toEqual(['lengths', 'resets']);
    for (const use of [{ lengths: true }, { resets: true }, { lengths: true, resets: true }]) {
      const o = { ...(use.lengths && { lengths: i32(lengths) }), ...(use.resets && { resets: resets() }) };
      const [y, state] = any.prefill(p, x, start(), o);
      let stepped = start();
      const ys: Tensor[] = [];
      for (let t = 0; t < 5; t++) {
        const now = {
          ...(use.lengths && { lengths: i32(lengths.map((n) => (t < n ? 1 : 0))) }),
          ...(use.resets && {
            resets: tensor(
              flags.map((f) => f[t]),
              { dtype: 'bool' },
            ),
          }),
        };
        const [out, next] = any.step(p, x.at(t, 1), stepped, now);
        ys.push(out);
        stepped = next;
      }
      for (let b = 0; b < 3; b++) {
        const want = await byHand(any as never, p, b, use);
        await expectClose(y.slice(0, b, b + 1), want.y, 1e-12);
        await expectClose(state.h.slice(0, b, b + 1), want.h, 1e-12);
        await expectClose(stack(ys, 1).slice(0, b, b + 1), want.y, 1e-12);
        await expectClose(stepped.h.slice(0, b, b + 1), want.h, 1e-12);
      }
    }
  });

  test('forward with lengths stays parallel, hides padding from the mechanism and gives no gradient to it', async () => {
    const { mixer: m, params: p, calls } = parallel();
    const dirty = where(
      tensor(
        [
          [1, 1, 1, 1, 1],
          [0, 0, 0, 0, 0],
          [1, 1, 1, 0, 0],
        ],
        { dtype: 'bool' },
      ).expandDims(-1),
      x,
      NaN,
    );
    const y = m.forward(p, dirty, { lengths: i32(lengths) });
    await expectClose(y.at(2, 0).slice(0, 0, 3), m.forward(p, x).at(2, 0).slice(0, 0, 3), 1e-12);
    await expectClose(y.at(1, 0), new Float64Array(5 * C), 0);
    expect(calls).toEqual(['prefill ', 'prefill ']);
    const g = grad((q: typeof p) => m.forward(q, dirty, { lengths: i32(lengths) }).sum(), p);
    expect((await g.a.data()).every(Number.isFinite)).toBe(true);
    const own = defineMixer({
      spec: { kind: 'test/own', dModel: C, options: {} },
      init: () => ({}),
      initState: () => ({}),
      step: (): never => {
        throw new Error('forward must not loop');
      },
      forward: (_p, input) => input.mul(2),
      cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    await expectClose(own.forward({}, x, { lengths: i32([5, 5, 5]) }), x.mul(2), 0);
  });

  test('what the mechanism honours is handed over, what it does not is not', async () => {
    const { mixer: m, params: p, calls } = parallel(['resets']);
    m.prefill(p, x, start(), { resets: resets(), key: key(1) });
    m.prefill(p, x, start(), { resets: resets(), lengths: i32(lengths) });
    expect(calls).toEqual(['prefill resets,key', 'step ']);
    expect(m.honours).toEqual(['resets', 'lengths']);
  });

  test('a position shared by all rows makes lengths and resets an error, not a guess', () => {
    const m = defineMixer({
      spec: { kind: 'test/clock', dModel: C, options: {} },
      init: () => ({}),
      initState: () => ({ position: tensor(0, { dtype: 'i32' }) }),
      step: (_p, input, { position }) => [input.mul(position.cast('f64')), { position: position.add(1) }],
      cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    expect(m.honours).toEqual([]);
    const message =
      'clock.prefill: lengths need a state whose leaves are all [B, …], got the scalar position shared by all rows. Run rows of one length together, without lengths.';
    expect(() => m.prefill({}, x, m.initState(3), { lengths: i32(lengths) })).toThrow(message);
    expect(() => m.forward({}, x, { resets: resets() })).toThrow('clock.forward: resets need a state');
    expect(() => m.step({}, x.at(0, 1), m.initState(3), { resets: tensor([true, false, true]) })).toThrow(
      'clock.step: resets need a state',
    );
  });

  test('a cache with a position for each row takes lengths and resets', async () => {
    // Mean of what was seen so far, from a cache [B, maxLength, C] and positions [B].
    const m = defineMixer({
      spec: { kind: 'test/cache', dModel: C, options: {} },
      init: () => ({}),
      initState: (B, o = {}) => ({
        cache: zeros([B, o.maxLength ?? 8, C], f64),
        position: zeros([B], { dtype: 'i32' }),
      }),
      step(_p, input, { cache, position }) {
        const next = updateAt(cache, input.expandDims(1), position, 1);
        const seen = arange(0, cache.shape[1], 1, { dtype: 'i32' }).le(position.expandDims(1));
        const total = where(seen.expandDims(-1), next, 0).sum(1);
        return [
          total.div(position.add(1).cast('f64').expandDims(1)),
          { cache: next, position: position.add(1) },
        ];
      },
      cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    const [y, state] = m.prefill({}, x, m.initState(3, { maxLength: 6 }), {
      lengths: i32(lengths),
      resets: resets(),
    });
    expect(state.cache.shape).toEqual([3, 6, C]);
    expect(Array.from(await state.position.data())).toEqual([1, 0, 2]);
    const row = (b: number, from: number, to: number): Tensor => x.at(b, 0).slice(0, from, to).mean(0);
    await expectClose(
      y.at(0, 0),
      stack([row(0, 0, 1), row(0, 0, 2), row(0, 2, 3), row(0, 2, 4), row(0, 4, 5)]),
      1e-12,
    );
    await expectClose(y.at(2, 0).slice(0, 0, 3), stack([row(2, 0, 1), row(2, 1, 2), row(2, 1, 3)]), 1e-12);
    expect(m.forward({}, zeros([2, 0, C], f64)).shape).toEqual([2, 0, C]);
  });

  test('a mechanism that answers with x itself gives a handle of its own', () => {
    const same = defineMixer({
      spec: { kind: 'test/same', dModel: C, options: {} },
      init: () => ({}),
      initState: () => ({}),
      step: (_p, input, s) => [input, s],
      forward: (_p, input) => input,
      cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    same.forward({}, x).dispose();
    const token = x.at(0, 1);
    same.step({}, token, same.initState(3))[0].dispose();
    expect([x.disposed, token.disposed]).toEqual([false, false]);
  });

  test('with a key, position t of a derived form gets foldIn(key, t)', async () => {
    const noisy = defineMixer({
      spec: { kind: 'test/noisy', dModel: C, options: {} },
      init: () => ({}),
      initState: (B) => ({ n: zeros([B, C], f64) }),
      step: (_p, input, { n }, o = {}) => [dropout(input, 0.5, o.key), { n }],
      cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    const k = key(5);
    const y = noisy.forward({}, x, { key: k });
    const masks = stack(
      Array.from({ length: 5 }, (_, t) => bernoulli(foldIn(k, t), 0.5, [3, C])),
      1,
    );
    await expectClose(y, where(masks, x.mul(2), 0), 0);
    await expectClose(noisy.forward({}, x), x, 0);
  });

  test('a noncausal mixer is given lengths only when it honours them', async () => {
    const define = (honours: readonly RunOption[]): NoncausalMixer<object> =>
      defineMixer({
        spec: { kind: 'test/mean', dModel: C, options: {} },
        causal: false,
        honours,
        init: () => ({}),
        forward: (_p, input, o = {}) =>
          o.lengths
            ? input
                .sum(1, { keepDims: true })
                .div(o.lengths.cast('f64').reshape([3, 1, 1]))
                .broadcastTo(input.shape)
            : input,
        cost: () => ({ params: 0, matmulFlops: 0, flops: 0, stateFloats: 0 }),
      });
    expect(() => define([]).forward({}, x, { lengths: i32(lengths) })).toThrow(
      'mean.forward: lengths is not honoured',
    );
    const y = define(['lengths']).forward({}, x, { lengths: i32([5, 5, 3]) });
    await expectClose(y.at(2, 0).at(0, 0), x.at(2, 0).slice(0, 0, 3).mean(0), 1e-12);
    await expectClose(y.at(2, 0).slice(0, 3), new Float64Array(2 * C), 0);
  });
});

describe('courtesies', () => {
  test('parameters are made where the key lives', () => {
    const device = createCpu({ name: 'another' });
    const constants = defineMixer({
      spec: { kind: 'test/constants', dModel: C, options: {} },
      causal: false,
      init: (_, o) => ({ scale: ones([C], o) }),
      forward: ({ scale }, x) => x.mul(scale),
      cost: () => ({ params: C, matmulFlops: 0, flops: 0, stateFloats: 0 }),
    });
    for (const m of [constants, leaky({ dModel: C })])
      for (const leaf of treeLeaves(m.init(key(1, { device })))) expect(leaf.device === device).toBe(true);
  });

  test('bind carries the parameters', async () => {
    const layer = bind(mixer, params);
    const x = normals(2, [2, 4, C]);
    await expectClose(layer.forward(x), mixer.forward(params, x), 0);
    const state = layer.initState(2);
    expect(state.h.dtype).toBe('f64');
    const [, next] = layer.step(x.at(0, 1), state);
    await expectClose(layer.prefill(x.slice(1, 1), next)[0], mixer.forward(params, x).slice(1, 1), 1e-12);
    expect(layer.cost({ B: 2, T: 3, form: 'step' })).toEqual(mixer.cost({ B: 2, T: 1, form: 'step' }));
  });

  test('fromSpec builds what was saved, from a list or by kind', () => {
    const saved: unknown = JSON.parse(JSON.stringify(mixer.spec));
    const picky = (o: { width: number }): never => {
      throw new Error(`picky: no width ${o.width}.`);
    };
    expect(fromSpec(saved, [picky, leaky]).spec).toEqual(mixer.spec);
    expect(fromSpec(saved, { 'test/leaky': leaky }).spec).toEqual(mixer.spec);
  });

  test.each([
    [
      { kind: 'test/other', dModel: 3, options: {} },
      [leaky],
      "fromSpec: no factory makes kind 'test/other', the factories given make test/leaky. Add the one that does.",
    ],
    [
      { kind: 'test/other', dModel: 3, options: {} },
      {},
      "fromSpec: no factory makes kind 'test/other', the factories given make none. Add the one that does.",
    ],
    [
      { kind: 'test/leaky', dModel: -1, options: {} },
      { 'test/leaky': leaky },
      "fromSpec: the factory of 'test/leaky' refused the saved options: leaky: dModel must be a positive integer, got -1. Use the version that wrote them, or mend the options.",
    ],
    [
      { kind: 'test/leaky', dModel: -1, options: {} },
      [leaky],
      "fromSpec: no factory makes kind 'test/leaky', the factories given make none and one refused the options (leaky: dModel must be a positive integer, got -1.). Add the one that does.",
    ],
    [
      { kind: 'x', dModel: 3 },
      { x: leaky },
      "fromSpec: the factory listed as 'x' must make that kind, it made 'test/leaky'. Correct the list of factories.",
    ],
    [
      { kind: 'toString', dModel: 3 },
      { x: leaky },
      "fromSpec: no factory makes kind 'toString', the factories given make x. Add the one that does.",
    ],
    [
      { dModel: 3 },
      [leaky],
      'fromSpec: a spec must be { kind: string, dModel: integer, options: object }, got {"dModel":3}. Pass mixer.spec, or its JSON parsed again.',
    ],
    [null, [leaky], 'fromSpec: a spec must be'],
  ])('fromSpec refuses %j', (spec, factories, message) => {
    const error = catching(() => fromSpec(spec, factories as never));
    expect((error as Error).message).toContain(message);
    expect(SeqError.is(error, 'spec')).toBe(true);
  });
});

function catching(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
