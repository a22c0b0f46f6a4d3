import * as tf from '@tensorflow/tfjs-core';
import type { Prepared } from './contender.js';
import type { Item } from './items.js';
import { filled, parts } from './transformer.js';
import type { Size } from './transformer.js';

type Parameters = ReadonlyMap<string, tf.Tensor>;

/** Logits [B T, V] of tokens; `attend` is given q, k, v [B, H, T, D] of each layer. */
function logits(
  p: Parameters,
  tokens: tf.Tensor,
  { layers, width: C, heads: H, vocab }: Size,
  attend: (i: number, q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  const [B, T] = tokens.shape as [number, number];
  const norm = (x: tf.Tensor, name: string): tf.Tensor => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scaled = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
    return tf.add(tf.mul(scaled, p.get(`${name}.weight`)!), p.get(`${name}.bias`)!);
  };
  const times = (x: tf.Tensor, name: string): tf.Tensor =>
    tf.matMul(x, p.get(`${name}.weight`)!, false, true);
  const oneHot = tf.oneHot(tf.reshape(tokens, [B * T]), vocab);
  let x = tf.matMul(tf.cast(oneHot, 'float32'), p.get('embedding.weight')!);
  for (let i = 0; i < layers; i++) {
    const block = `blocks.${i}`;
    const qkv = tf.split(times(norm(x, `${block}.norm`), `${block}.mixer.qkv`), 3, -1);
    const [q, k, v] = qkv.map((y) => tf.transpose(tf.reshape(y, [B, T, H, C / H]), [0, 2, 1, 3]));
    const heads = tf.reshape(tf.transpose(attend(i, q, k, v), [0, 2, 1, 3]), [B * T, C]);
    x = tf.add(x, times(heads, `${block}.mixer.out`));
    const up = times(norm(x, `${block}.feedForwardNorm`), `${block}.feedForward.up`);
    x = tf.add(x, times(tf.mul(up, tf.sigmoid(up)), `${block}.feedForward.down`));
  }
  return times(norm(x, 'norm'), 'head');
}

/** Softmax attention on [B, H, T, D]. */
function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape[3]!));
  return tf.matMul(tf.softmax(scores), v);
}

/** One token behind a cache. */
export function decodeStep({ inputs, size: of }: Item): Prepared {
  const size = of!;
  const { tokens, parameters, caches } = parts(inputs, size);
  const place = ({ data, shape }: Item['inputs'][number]): tf.Tensor => tf.tensor(data, [...shape]);
  const p = new Map([...parameters].map(([name, x]) => [name, place(x)]));
  const past = caches.map((pair) => pair.map((x) => place(filled(x, 'HTD'))));
  const id = tf.tensor2d(tokens, [1, 1], 'int32');
  const once = (): tf.Tensor =>
    tf.tidy(() =>
      logits(p, id, size, (i, q, k, v) => {
        const [keys, values] = [k, v].map((x, j) => tf.concat([past[i][j], x], 2));
        return attention(q, keys, values);
      }),
    );
  const read = async (): Promise<Float32Array> => {
    const y = once();
    const data = (await y.data()) as Float32Array;
    y.dispose();
    return data;
  };
  return {
    run: async () => void (await read()),
    read,
    dispose: () => tf.dispose([id, ...p.values(), ...past.flat()]),
  };
}
