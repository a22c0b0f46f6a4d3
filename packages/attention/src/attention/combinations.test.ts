// Cached equals full, for every combination of options: padding, packed documents and random cuts in all of them.
import { cpu, key, normal, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { hostRandom, toTensor } from '@seq/testing';
import type { HostRandom } from '@seq/testing';
import { describe, expect, test } from 'vitest';
import { attend, attendWithLse, attention } from './index.js';
import type { AttendOptions, AttentionOptions } from './index.js';

const f64 = { device: cpu(), dtype: 'f64' } as const;

/** Every choice of one value per name; undefined leaves the option out. */
function product<O extends object>(choices: { readonly [K in keyof O]: readonly (O[K] | undefined)[] }): O[] {
  let all: Partial<O>[] = [{}];
  for (const name of Object.keys(choices) as (keyof O)[])
    all = all.flatMap((o) =>
      choices[name].map((value) => (value === undefined ? o : { ...o, [name]: value })),
    );
  return all as O[];
}

const below = (random: HostRandom, n: number): number => Math.floor(random.next() * n);

describe('the mixer', () => {
  const [B, T, C] = [2, 9, 8];
  const ropes = [
    false,
    true,
    { interleaved: true },
    { rotaryDim: 2 },
    { interleaved: true, rotaryDim: 2, base: 50 },
  ];
  const cache = product<Omit<AttentionOptions, 'dModel' | 'numHeads'>>({
    alibi: [false, true],
    sinks: [false, true],
    softcap: [undefined, 1.5],
    windowSize: [undefined, 1, 4, 20],
    numKvHeads: [1, 2],
  });

  test.each(ropes)('rope: %j', async (rope) => {
    expect(cache).toHaveLength(64);
    for (const [n, rest] of cache.entries()) {
      const options = { dModel: C, numHeads: 2, rope, scale: 0.8, ...rest };
      const random = hostRandom(1000 * ropes.indexOf(rope) + n);
      const mixer = attention(options);
      const drawn = mixer.init(key(n), f64);
      const params = rest.sinks ? { ...drawn, sinks: normal(key(100), [2], f64) } : drawn;
      const x = toTensor(random.normal([B, T, C]), f64);
      const packed = random.next() < 0.5;
      const begins = Array.from({ length: B }, () =>
        Array.from({ length: T }, () => packed && random.next() < 0.2),
      );
      const whole = await mixer.forward(params, x, packed ? { resets: tensor(begins) } : {}).data();
      const inputs = await x.data();

      // Each call takes 0 … size positions of each row, the rest of it is padding.
      let state = mixer.initState(B, { ...f64, maxLength: 60 });
      const taken = [0, 0];
      while (taken.some((t) => t < T)) {
        const size = 1 + below(random, 4);
        const lengths = taken.map((t) => Math.min(T - t, below(random, size + 1)));
        const chunk = new Float64Array(B * size * C).fill(9);
        const anew = taken.map((t, b) => Array.from({ length: size }, (_, i) => begins[b][t + i] ?? true));
        taken.forEach((t, b) =>
          chunk.set(inputs.subarray((b * T + t) * C, (b * T + t + lengths[b]) * C), b * size * C),
        );
        const [y, next] = mixer.prefill(params, tensor(chunk, { ...f64, shape: [B, size, C] }), state, {
          lengths: tensor(Int32Array.from(lengths)),
          ...(packed && { resets: tensor(anew) }),
        });
        state = next;
        const got = await y.data();
        taken.forEach((t, b) => {
          for (let i = 0; i < size * C; i++) {
            const want = i < lengths[b] * C ? whole[(b * T + t) * C + i] : 0;
            if (!(Math.abs(got[b * size * C + i] - want) < 1e-12))
              throw new Error(
                `row ${b}, position ${t}: ${got[b * size * C + i]} is not ${want} with ${JSON.stringify(options)}`,
              );
          }
          taken[b] += lengths[b];
        });
      }
      expect([...(await state.position.data())]).toEqual([T, T]);
    }
  });
});

describe('attend over keys that grow', () => {
  const [B, H, G, T, D, V] = [2, 4, 2, 8, 3, 5];
  const choices = product<{
    windowSize: AttendOptions['windowSize'] & {};
    mask: boolean;
    bias: boolean;
    alibi: boolean;
    sinks: boolean;
    softcap: number;
  }>({
    windowSize: [undefined, 3, [4, 0], [Infinity, 0]],
    mask: [false, true],
    bias: [false, true],
    alibi: [false, true],
    sinks: [false, true],
    softcap: [undefined, 2],
  });
  const random = hostRandom(77);
  const [q, k, v] = [
    [B, T, H, D],
    [B, T, G, D],
    [B, T, G, V],
  ].map((shape) => toTensor(random.normal(shape), f64));
  const mask = tensor(
    Array.from({ length: B }, () => [
      Array.from({ length: T }, () => Array.from({ length: T }, () => random.next() < 0.7)),
    ]),
  ); // [B, 1, T, T]
  const bias = toTensor(random.normal([H, T, T]), f64);
  const perHead = toTensor(random.normal([H]), f64);

  test.each([false, true])('as over all of them (causal %s)', async (causal) => {
    expect(choices).toHaveLength(128);
    for (const choice of choices) {
      // Without a bound on the right a query would see keys that are not there yet.
      if (!causal && choice.windowSize === undefined) continue;
      const { windowSize, softcap } = choice;
      const options = (from: number, to: number): AttendOptions => {
        const part = (x: Tensor): Tensor => x.slice(-2, from, to).slice(-1, 0, to);
        return {
          causal,
          ...(windowSize !== undefined && { windowSize }),
          ...(softcap !== undefined && { softcap }),
          ...(choice.mask && { mask: part(mask) }),
          ...(choice.bias && { bias: part(bias) }),
          ...(choice.alibi && { alibiSlopes: perHead.abs() }),
          ...(choice.sinks && { sinks: perHead }),
        };
      };
      const [whole, lse] = attendWithLse(q, k, v, options(0, T));
      let worst = 0;
      for (let t = 0; t < T;) {
        const to = Math.min(T, t + 1 + below(random, 3));
        const [part, partLse] = attendWithLse(
          q.slice(1, t, to),
          k.slice(1, 0, to),
          v.slice(1, 0, to),
          options(t, to),
        );
        const plain = attend(q.slice(1, t, to), k.slice(1, 0, to), v.slice(1, 0, to), options(t, to));
        const want = await lse.slice(2, t, to).data();
        const got = await partLse.data();
        want.forEach((w, i) => {
          if (w !== got[i]) worst = Math.max(worst, Math.abs(w - got[i])); // −∞ where nothing is seen
        });
        worst = Math.max(
          worst,
          await part
            .sub(whole.slice(1, t, to))
            .abs()
            .max()
            .item(),
          await plain.sub(part).abs().max().item(),
        );
        t = to;
      }
      expect(worst, JSON.stringify({ causal, ...choice })).toBeLessThan(1e-12);
    }
  });
});
