import { cpu, grad, key, normal, ones, SeqError, sum, tensor, valueAndGrad, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { cloneState } from '@seq/nn';
import { conformance, hostRandom, readGolden, compareGolden, toHost, toTensor } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { attend, attendCached, attendWithLse, attention } from './index.js';
import type { AttentionState } from './index.js';
import { attendNaive } from './naive.js';

const f64 = { device: cpu(), dtype: 'f64' } as const;
const [H, G, D, V] = [4, 2, 3, 5];

async function close(got: Tensor, want: ArrayLike<number>, digits = 12): Promise<void> {
  const data = await got.data();
  expect(data.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) expect(data[i]).toBeCloseTo(want[i], digits);
}

function drawHeads(B: number, T: number, S: number, seed = 1): Record<'q' | 'k' | 'v', HostArray> {
  const random = hostRandom(seed);
  return { q: random.normal([B, T, H, D]), k: random.normal([B, S, G, D]), v: random.normal([B, S, G, V]) };
}

conformance(attention, {
  small: { dModel: 8, numHeads: 4, numKvHeads: 2 },
  learn: { dModel: 16, numHeads: 4, numKvHeads: 2 },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, T, H, D]),
      k: random.normal([B, T, G, D]),
      v: random.normal([B, T, G, V]),
    }),
    op({ q, k, v }) {
      const [o, lse] = attendWithLse(q, k, v, { causal: true });
      return { o, lse };
    },
    naive({ q, k, v }) {
      const [B, T] = q.shape;
      return attendNaive({ q: q.data, k: k.data, v: v.data, causal: true, B, T, S: T, H, G, D, V });
    },
  },
});

conformance(attention, {
  name: 'attention, multi-query, interleaved partial rotation, without bias',
  small: {
    dModel: 6,
    numHeads: 2,
    numKvHeads: 1,
    headDim: 4,
    bias: false,
    rope: { interleaved: true, rotaryDim: 2, base: 100 },
    initStd: 0.3,
  },
  learn: {
    dModel: 16,
    numHeads: 2,
    numKvHeads: 1,
    headDim: 8,
    bias: false,
    rope: { interleaved: true, rotaryDim: 4, base: 100 },
  },
  core: {
    inputs: ({ B, T, random }) => ({
      q: random.normal([B, 2, H, D]),
      k: random.normal([B, T, 1, D]),
      v: random.normal([B, T, 1, V]),
    }),
    op: ({ q, k, v }) => ({ o: attend(q, k, v, { causal: true, scale: 0.7, softcap: 2 }) }),
    naive({ q, k, v }) {
      const [B, T] = q.shape;
      const { o } = attendNaive({
        q: q.data,
        k: k.data,
        v: v.data,
        causal: true,
        scale: 0.7,
        softcap: 2,
        B,
        T,
        S: k.shape[1],
        H,
        G: 1,
        D,
        V,
      });
      return { o };
    },
  },
});

describe('attend', () => {
  test('causal queries are aligned with the last keys, whichever are more', async () => {
    for (const [T, S] of [
      [2, 5],
      [5, 2],
      [4, 4],
      [3, 0],
    ]) {
      const host = drawHeads(2, T, S);
      const [q, k, v] = [host.q, host.k, host.v].map((h) => toTensor(h, f64));
      const want = attendNaive({
        q: host.q.data,
        k: host.k.data,
        v: host.v.data,
        causal: true,
        B: 2,
        T,
        S,
        H,
        G,
        D,
        V,
      });
      const [o, lse] = attendWithLse(q, k, v, { causal: true });
      await close(o, want.o);
      expect([...(await lse.data())].map((x) => x === -Infinity)).toEqual(
        [...want.lse].map((x) => x === -Infinity),
      );
    }
  });

  test('a query that sees no key gives 0, lse −∞ and gradient 0', async () => {
    const host = drawHeads(1, 2, 3);
    const [q, k, v] = [host.q, host.k, host.v].map((h) => toTensor(h, f64));
    const mask = tensor([
      [false, false, false],
      [true, false, true],
    ]);
    const bias = toTensor(hostRandom(2).normal([1, H, 2, 3]), f64);
    const [o, lse] = attendWithLse(q, k, v, { mask, bias });
    await close(o.at(0, 1), new Float64Array(H * V));
    expect([...(await lse.at(0, 2).data())]).toEqual([-Infinity, -Infinity, -Infinity, -Infinity]);
    const keep = Float64Array.from({ length: H * 6 }, (_, i) => (i % 6 === 3 || i % 6 === 5 ? 1 : 0));
    const want = attendNaive({
      q: host.q.data,
      k: host.k.data,
      v: host.v.data,
      mask: keep,
      bias: await bias.data(),
      B: 1,
      T: 2,
      S: 3,
      H,
      G,
      D,
      V,
    });
    await close(o, want.o);
    const g = grad(
      (p: { q: Tensor; k: Tensor; v: Tensor; bias: Tensor }) =>
        sum(attend(p.q, p.k, p.v, { mask, bias: p.bias })),
      { q, k, v, bias },
    );
    await close(g.q.at(0, 1), new Float64Array(H * D));
    await close(g.bias.at(0, 2), new Float64Array(H * 3));
    for (const leaf of [g.q, g.k, g.v, g.bias])
      expect([...(await leaf.data())].every(Number.isFinite)).toBe(true);
  });

  test('values of 1 come back as 1: the weights sum to 1', async () => {
    const { q, k } = drawHeads(2, 5, 5);
    const o = attend(toTensor(q, f64), toTensor(k, f64), ones([2, 5, G, 2], { dtype: 'f64' }), {
      causal: true,
    });
    await close(o, new Float64Array(2 * 5 * H * 2).fill(1));
  });

  test('shapes that do not fit are named', () => {
    const q = zeros([2, 3, 4, 8]);
    const k = zeros([2, 5, 3, 8]);
    expect(() => attend(q, k, k)).toThrow('attend: H must be a multiple of G, got H = 4 in q, G = 3 in k.');
    expect(() => attend(q, k, zeros([2, 5, 2, 8]))).toThrow(
      'attend: q, k, v must be [B, T, H, D], [B, S, G, D], [B, S, G, V], got [2, 3, 4, 8], [2, 5, 3, 8], [2, 5, 2, 8]. Time stands before heads.',
    );
    const kv = zeros([2, 5, 2, 8]);
    expect(() => attend(q, kv, kv, { bias: zeros([3, 1, 1, 1, 1]) })).toThrow(
      'mask and bias must be broadcastable to [B, H, T, S] = [2, 4, 3, 5], got [3, 1, 1, 1, 1]',
    );
    expect(() => attend(q, kv, kv, { scale: NaN })).toThrow('attend: scale must be finite, got NaN.');
    expect(() => attend(q, kv, kv, { softcap: 0 })).toThrow('attend: softcap must be positive, got 0.');
  });
});

describe('attendCached', () => {
  const [B, T, M] = [3, 2, 7];
  const cacheOf = (position: number[], first: number[]): AttentionState => {
    const { k, v } = drawHeads(B, T, M);
    return {
      k: toTensor(k, f64),
      v: toTensor(v, f64),
      position: tensor(Int32Array.from(position)),
      first: tensor(Int32Array.from(first)),
    };
  };

  test('sees the slots from first to its own position, row by row', async () => {
    const host = drawHeads(B, T, M);
    const [position, first] = [
      [0, 3, 5],
      [0, 2, 5],
    ];
    const mask = new Float64Array(B * H * T * M);
    for (let b = 0; b < B; b++)
      for (let h = 0; h < H; h++)
        for (let i = 0; i < T; i++)
          for (let j = first[b]; j <= position[b] + i; j++) mask[((b * H + h) * T + i) * M + j] = 1;
    const want = attendNaive({
      q: host.q.data,
      k: host.k.data,
      v: host.v.data,
      mask,
      B,
      T,
      S: M,
      H,
      G,
      D,
      V,
    });
    await close(attendCached(toTensor(host.q, f64), cacheOf(position, first)), want.o);
  });

  test('its kernel agrees with the composite that is differentiated', async () => {
    const q = toTensor(drawHeads(B, T, M).q, f64);
    const state = cacheOf([0, 3, 5], [0, 2, 5]);
    const [watched] = valueAndGrad((x: Tensor) => sum(attendCached(x, state).square()), q);
    expect(await watched.item()).toBeCloseTo(await sum(attendCached(q, state).square()).item(), 12);
  });

  test('refuses a cache of another type', () => {
    const q = toTensor(drawHeads(B, T, M).q, { ...f64, dtype: 'f32' });
    expect(() => attendCached(q, cacheOf([0, 0, 0], [0, 0, 0]))).toThrow(
      "attention: queries and cache must be all f32 or all f64, got f32, f64, f64. Make the state with initState(batch, { dtype: 'f32' }).",
    );
  });
});

describe('the cache', () => {
  const mixer = attention({ dModel: 8, numHeads: 2 });
  const params = mixer.init(key(1));
  const x = normal(key(2), [2, 6, 8]);

  test('has 1024 slots unless told otherwise', () => {
    expect(mixer.initState(1).k.shape).toEqual([1, 1024, 2, 4]);
    expect(attention({ dModel: 8, numHeads: 2, maxLength: 32 }).initState(1).v.shape).toEqual([1, 32, 2, 4]);
    expect(mixer.initState(3, { maxLength: 5 }).k.shape).toEqual([3, 5, 2, 4]);
  });

  test('more positions than slots are refused at once', () => {
    expect(() => mixer.prefill(params, x, mixer.initState(2, { maxLength: 5 }))).toThrow(
      'attention.prefill: the cache has room for maxLength = 5 positions, got 6 more after 0. Make the state with initState(batch, { maxLength: 6 }) or more.',
    );
  });

  test('a full cache is an error when the result is read, never silence', async () => {
    let [, state] = mixer.prefill(params, x, mixer.initState(2, { maxLength: 7 }));
    [, state] = mixer.step(params, x.at(0, 1), state);
    const fork = cloneState(state);
    const [y] = mixer.step(params, x.at(1, 1), state);
    const error: unknown = await y.data().then(
      () => null,
      (e: unknown) => e,
    );
    expect(SeqError.is(error, 'index')).toBe(true);
    expect(String(error)).toContain(
      'attention.step: the cache has room for maxLength = 7 positions, got 1 more after 7. Make the state with initState(batch, { maxLength: 8 }) or more.',
    );
    // Nothing was written: the fork still holds seven positions.
    expect([...(await fork.position.data())]).toEqual([7, 7]);
    expect([...(await fork.k.data())].every(Number.isFinite)).toBe(true);
  });

  test('one row that is full is enough', async () => {
    const [, state] = mixer.prefill(params, x, mixer.initState(2, { maxLength: 7 }), {
      lengths: tensor(Int32Array.of(2, 6)),
    });
    const [y, next] = mixer.step(params, x.at(0, 1), state);
    expect([...(await next.position.data())]).toEqual([3, 7]);
    expect([...(await y.data())].every(Number.isFinite)).toBe(true);
    await expect(mixer.step(params, x.at(1, 1), next)[0].data()).rejects.toThrow('got 1 more after 7');
  });

  test('capacity does not change what is computed', async () => {
    const want = await mixer.forward(params, x).data();
    for (const maxLength of [6, 7, 40])
      await close(mixer.prefill(params, x, mixer.initState(2, { maxLength }))[0], want, 5);
  });

  test('a reset hides what lies before it, in a step and in the middle of a prefill', async () => {
    const start = (): AttentionState => mixer.prefill(params, x, mixer.initState(2, { maxLength: 12 }))[1];
    const [y] = mixer.step(params, x.at(0, 1), start(), { resets: tensor([true, false]) });
    const [alone] = mixer.step(params, x.at(0, 1), mixer.initState(2, { maxLength: 1 }));
    const [after] = mixer.step(params, x.at(0, 1), start());
    await close(y.at(0), await alone.at(0).data(), 5);
    await close(y.at(1), await after.at(1).data(), 5);

    const resets = tensor([
      [false, true, false, false],
      [false, false, false, false],
    ]);
    const [packed, state] = mixer.prefill(params, x.slice(1, 0, 4), start(), { resets });
    expect([...(await state.first.data())]).toEqual([7, 0]);
    const [document] = mixer.prefill(params, x.slice(1, 1, 4), mixer.initState(2, { maxLength: 3 }));
    const [whole] = mixer.prefill(params, x.slice(1, 0, 4), start());
    await close(packed.at(0).slice(0, 0, 1), await whole.at(0).slice(0, 0, 1).data(), 5);
    await close(packed.at(0).slice(0, 1), await document.at(0).data(), 5);
    await close(packed.at(1), await whole.at(1).data(), 5);
  });
});

describe('attention', () => {
  test('with the weights of PyTorch’s MultiheadAttention gives its numbers', async () => {
    const golden = await readGolden(
      new URL('../../../../tooling/golden/data/mha/causal.safetensors', import.meta.url),
    );
    const read = (name: string): Tensor => {
      const host = golden.tensors.get(name);
      if (!host) throw new Error(`no ${name}`);
      return toTensor(host, f64);
    };
    const { embed_dim: dModel, num_heads: numHeads } = golden.options as {
      embed_dim: number;
      num_heads: number;
    };
    const mixer = attention({ dModel, numHeads, rope: false });
    const params = {
      qkv: { weight: read('param.in_proj_weight'), bias: read('param.in_proj_bias') },
      out: { weight: read('param.out_proj.weight'), bias: read('param.out_proj.bias') },
    };
    const [[, y], g] = valueAndGrad(
      (p: { params: typeof params; x: Tensor }): [Tensor, Tensor] => {
        const out = mixer.forward(p.params, p.x);
        return [sum(out.mul(read('in.G.y'))), out];
      },
      { params, x: read('in.q') },
    );
    const got: Record<string, Tensor> = {
      'out.y': y,
      'grad.in.q': g.x,
      'grad.param.in_proj_weight': g.params.qkv.weight,
      'grad.param.in_proj_bias': g.params.qkv.bias,
      'grad.param.out_proj.weight': g.params.out.weight,
      'grad.param.out_proj.bias': g.params.out.bias,
    };
    for (const [name, value] of Object.entries(got)) {
      const verdict = compareGolden(golden, name, await toHost(value), 'f64');
      expect(verdict.reason ?? 'passed', name).toBe('passed');
    }
  });

  test('init is PyTorch’s, or GPT-2’s by initStd', async () => {
    const std = (data: ArrayLike<number>): number =>
      Math.sqrt(Array.from(data).reduce((s, v) => s + v * v, 0) / data.length);
    const { qkv, out } = attention({ dModel: 64, numHeads: 4 }).init(key(4));
    expect(std(await qkv.weight.data())).toBeCloseTo(Math.sqrt(2 / (64 + 192)), 2);
    expect(std(await out.weight.data())).toBeCloseTo(1 / Math.sqrt(3 * 64), 2);
    if (!qkv.bias || !out.bias) throw new Error('biases are missing');
    expect(std(await qkv.bias.data()) + std(await out.bias.data())).toBe(0);
    const gpt2 = attention({ dModel: 64, numHeads: 4, initStd: 0.02 }).init(key(4));
    expect(std(await gpt2.qkv.weight.data())).toBeCloseTo(0.02, 3);
  });

  test('options are checked', () => {
    const refused = (o: Partial<Parameters<typeof attention>[0]>, message: string): void =>
      expect(() => attention({ dModel: 12, numHeads: 4, ...o })).toThrow(message);
    refused(
      { numHeads: 5 },
      'attention: numHeads must divide dModel = 12, got 5. Give headDim, or take one of 1, 2, 3, 4, 6, 12.',
    );
    refused(
      { numKvHeads: 3 },
      'attention: numKvHeads must divide numHeads = 4, got 3. Values that work: 1, 2, 4.',
    );
    refused(
      {},
      'attention: rope.rotaryDim must be even and at most headDim = 3, got 3. Choose heads of even width, or rope: false.',
    );
    refused({ headDim: 4, rope: { base: 0 } }, 'attention: rope.base must be positive, got 0.');
    refused({ headDim: 4, maxLength: 0 }, 'attention: maxLength must be a positive integer, got 0.');
    refused({ headDim: 4, initStd: -1 }, 'attention: initStd must be positive, got -1.');
  });
});
