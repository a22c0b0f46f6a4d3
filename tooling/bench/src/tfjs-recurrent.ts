import * as tf from '@tensorflow/tfjs-core';
import type { Prepared } from './contender.js';
import type { Item } from './items.js';

/** The outputs [B, T, H] of a GRU or LSTM layer, composed of the library's operations; gates in PyTorch's order. */
function layer(isGru: boolean, [x, w, r, bi, bh]: readonly tf.Tensor[]): tf.Tensor {
  const [B, T, D] = x.shape as [number, number, number];
  const H = r.shape[1]!;
  const gates = tf.add(tf.matMul(tf.reshape(x, [B * T, D]), w, false, true), bi);
  const steps = tf.unstack(tf.reshape(gates, [B, T, -1]), 1);
  let h: tf.Tensor = tf.zeros([B, H]);
  let c: tf.Tensor = tf.zeros([B, H]);
  const outputs = steps.map((g) => {
    const back = tf.add(tf.matMul(h as tf.Tensor2D, r as tf.Tensor2D, false, true), bh);
    if (isGru) {
      const [[xr, xz, xn], [hr, hz, hn]] = [tf.split(g, 3, 1), tf.split(back, 3, 1)];
      const z = tf.sigmoid(tf.add(xz, hz));
      const n = tf.tanh(tf.add(xn, tf.mul(tf.sigmoid(tf.add(xr, hr)), hn)));
      h = tf.add(n, tf.mul(z, tf.sub(h, n)));
    } else {
      const [i, f, a, o] = tf.split(tf.add(g, back), 4, 1);
      c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(a)));
      h = tf.mul(tf.sigmoid(o), tf.tanh(c));
    }
    return h;
  });
  return tf.stack(outputs, 1);
}

/** A GRU or LSTM layer over a whole sequence; with gradients, those of Σ y² by all inputs, one behind the other. */
export function recurrentLayer({ operation, inputs }: Item): Prepared {
  const t = inputs.map(({ data, shape }) => tf.tensor(data, [...shape]));
  const isGru = operation.startsWith('gru');
  const loss = (...x: tf.Tensor[]): tf.Tensor => tf.sum(tf.square(layer(isGru, x)));
  const once = (): tf.Tensor =>
    tf.tidy(() =>
      operation.endsWith('Gradients')
        ? tf.concat(
            tf
              .grads(loss)(t)
              .map((g) => tf.reshape(g, [-1])),
          )
        : layer(isGru, t),
    );
  const read = async (): Promise<Float32Array> => {
    const y = once();
    const data = (await y.data()) as Float32Array;
    y.dispose();
    return data;
  };
  return { run: async () => void (await read()), read, dispose: () => tf.dispose(t) };
}
