import { jit, nn, numpy as np, valueAndGrad } from '@jax-js/jax';
import type { Prepared } from './contender.js';
import { parts } from './transformer.js';
import type { Size } from './transformer.js';
import type { Item } from './items.js';
import { joined } from './seq-model.js';

type Values = ReturnType<typeof np.array>;
/** Parameters by name. */
type Parameters = Record<string, Values>;

const place = ({ data, shape }: Item['inputs'][number]): Values => np.array(data, { shape: [...shape] });

/** x of the tokens' rows through all blocks and the head; `attend` is given q, k, v [B, T, H, D] of each layer. */
function logits(
  p: Parameters,
  tokens: Values,
  { layers, width, heads, vocab }: Size,
  attend: (i: number, q: Values, k: Values, v: Values) => Values,
): Values {
  const [B, T] = tokens.shape;
  const norm = (x: Values, name: string): Values =>
    nn.standardize(x, -1, { epsilon: 1e-5 }).mul(p[`${name}.weight`]).add(p[`${name}.bias`]);
  const times = (x: Values, name: string): Values => np.matmul(x, np.swapaxes(p[`${name}.weight`], 0, 1));
  let x = np.matmul(nn.oneHot(tokens, vocab), p['embedding.weight']);
  for (let i = 0; i < layers; i++) {
    const block = `blocks.${i}`;
    const qkv = times(norm(x.ref, `${block}.norm`), `${block}.mixer.qkv`);
    const [q, k, v] = np.split(qkv, 3, -1).map((y) => y.reshape([B, T, heads, width / heads]));
    x = x.add(times(attend(i, q, k, v).reshape([B, T, width]), `${block}.mixer.out`));
    const inner = nn.silu(times(norm(x.ref, `${block}.feedForwardNorm`), `${block}.feedForward.up`));
    x = x.add(times(inner, `${block}.feedForward.down`));
  }
  return times(norm(x, 'norm'), 'head');
}

const readAll = async (list: readonly Values[]): Promise<Float32Array> =>
  joined((await Promise.all(list.map((y) => y.data()))) as Float32Array[]);

/** Loss, gradients and Adam under one `jit`. */
export function trainingStep({ inputs, size: of }: Item): Prepared {
  const size = of!;
  const { tokens, parameters } = parts(inputs, size);
  const names = [...parameters.keys()];
  const [B, T] = [size.batch, size.length];
  const cut = (from: number): Values =>
    np.array(
      tokens.filter((_, i) => i % (T + 1) >= from && i % (T + 1) < from + T),
      { shape: [B, T] },
    );
  const [seen, next] = [cut(0), cut(1)];
  const loss = (p: Parameters, x: Values, y: Values): Values => {
    const scores = logits(p, x, size, (_, q, k, v) => nn.dotProductAttention(q, k, v, { isCausal: true }));
    return nn
      .logSoftmax(scores, -1)
      .mul(nn.oneHot(y, size.vocab))
      .sum()
      .mul(-1 / (B * T));
  };
  const step = jit((p: Parameters, m: Parameters, v: Parameters, scale: Values, x: Values, y: Values) => {
    const held = Object.fromEntries(names.map((name) => [name, p[name].ref]));
    const [value, grads] = valueAndGrad(loss)(held, x, y) as unknown as [Values, Parameters];
    const [p2, m2, v2]: Parameters[] = [{}, {}, {}];
    const [first, second] = np.split(scale, 2);
    for (const name of names) {
      m2[name] = m[name].mul(0.9).add(grads[name].ref.mul(0.1));
      v2[name] = v[name].mul(0.999).add(np.square(grads[name]).mul(0.001));
      const size = np.sqrt(v2[name].ref.mul(second.ref)).add(1e-8);
      p2[name] = p[name].sub(m2[name].ref.mul(first.ref).div(size).mul(1e-3));
    }
    first.dispose();
    second.dispose();
    return [value, p2, m2, v2];
  });
  const zeros = (): Parameters =>
    Object.fromEntries([...parameters].map(([name, { shape }]) => [name, np.zeros([...shape])]));
  const start = (): Parameters => Object.fromEntries([...parameters].map(([name, x]) => [name, place(x)]));
  let [p, m, v, t] = [start(), zeros(), zeros(), 0];
  const once = (): Values => {
    t++;
    const scale = np.array([1 / (1 - 0.9 ** t), 1 / (1 - 0.999 ** t)]);
    const [value, ...rest] = step(p, m, v, scale, seen.ref, next.ref) as unknown as [Values, ...Parameters[]];
    [p, m, v] = rest;
    return value;
  };
  const drop = (): void => [p, m, v].forEach((tree) => Object.values(tree).forEach((x) => x.dispose()));
  return {
    async run() {
      const value = once();
      await Promise.all(
        [value, ...[p, m, v].flatMap((x) => Object.values(x))].map((x) => x.blockUntilReady()),
      );
      value.dispose();
    },
    async read() {
      drop();
      [p, m, v, t] = [start(), zeros(), zeros(), 0];
      const values = await readAll([once(), ...names.map((name) => m[name].ref)]);
      return values.map((x, i) => (i === 0 ? x : 10 * x));
    },
    dispose() {
      drop();
      seen.dispose();
      next.dispose();
    },
  };
}

/** One token behind a cache, under `jit`. */
export function decodeStep({ inputs, size: of }: Item): Prepared {
  const size = of!;
  const { tokens, parameters, caches } = parts(inputs, size);
  const p = Object.fromEntries([...parameters].map(([name, x]) => [name, place(x)]));
  const past = caches.map((pair) =>
    pair.map(({ shape: [B, M, H, D], data }) =>
      place({ shape: [B, M - 1, H, D], data: data.slice(0, (M - 1) * H * D) }),
    ),
  );
  const id = np.array(tokens, { shape: [1, 1] });
  const step = jit((w: Parameters, token: Values, cache: Values[][]): Values =>
    logits(w, token, size, (i, q, k, v) => {
      const [keys, values] = [k, v].map((x, j) => np.concatenate([cache[i][j], x], 1));
      return nn.dotProductAttention(q, keys, values);
    }),
  );
  const once = (): Values =>
    step(
      Object.fromEntries(Object.entries(p).map(([name, x]) => [name, x.ref])),
      id.ref,
      past.map((pair) => pair.map((x) => x.ref)),
    );
  return {
    async run() {
      const y = once();
      await y.blockUntilReady();
      y.dispose();
    },
    read: () => readAll([once()]),
    dispose: () => [id, ...Object.values(p), ...past.flat()].forEach((x) => x.dispose()),
  };
}
