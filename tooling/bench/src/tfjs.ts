import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import type { Contender } from './contender.js';
import { decodeStep } from './tfjs-model.js';
import { recurrentLayer } from './tfjs-recurrent.js';
import { before, isRecurrent, swapMiddle } from './items.js';

/** Causal attention on [B, H, T, D]. */
function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor {
  const [T, D] = q.shape.slice(-2) as [number, number];
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(D));
  const mask = tf.greater(tf.linalg.bandPart(tf.ones([T, T]), -1, 0), 0);
  return tf.matMul(tf.softmax(tf.where(mask, scores, -1e30)), v);
}

/** TensorFlow.js, one thread; a run includes reading the result. */
export async function tfjs(backend: 'wasm' | 'webgpu'): Promise<Contender> {
  if (backend === 'webgpu') {
    await import('@tensorflow/tfjs-backend-webgpu');
    return contender('tfjs-webgpu', 'webgpu');
  }
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(`${dirname(main)}${sep}`);
  setThreadsCount(1);
  return contender('tfjs-wasm', 'wasm');
}

async function contender(name: string, backend: string): Promise<Contender> {
  await tf.setBackend(backend);
  await tf.ready();
  return {
    name,
    comparable: true,
    async prepare(item) {
      const { operation, inputs } = item;
      if (operation === 'decodeStep') return decodeStep(item);
      if (isRecurrent(operation)) return backend === 'webgpu' ? recurrentLayer(item) : null;
      // Its transforms do not run on WebAssembly; most of its gradients load in bundlers only.
      if (operation === 'fft' || operation === 'trainingStep') return null;
      const flash = operation === 'flash' || operation === 'flashGradients';
      const t = (flash ? inputs.map(swapMiddle) : inputs).map(({ data, shape }) =>
        tf.tensor(data, [...shape]),
      );
      const f = (): tf.Tensor =>
        tf.tidy(() => {
          switch (operation) {
            case 'attention':
            case 'flash':
              return attention(t[0], t[1], t[2]);
            case 'attentionGradients':
            case 'flashGradients': {
              const loss = (...x: tf.Tensor[]): tf.Tensor => tf.sum(tf.square(attention(x[0], x[1], x[2])));
              const [a, b, c] = tf.grads(loss)(t) as [tf.Tensor, tf.Tensor, tf.Tensor];
              return tf.add(tf.add(a, b), c);
            }
            case 'matmul':
              return tf.matMul(t[0], t[1]);
            case 'softmax':
              return tf.softmax(t[0]);
            case 'layerNorm': {
              const { mean, variance } = tf.moments(t[0], -1, true);
              const scale = tf.rsqrt(tf.add(variance, 1e-5));
              return tf.add(tf.mul(tf.mul(tf.sub(t[0], mean), scale), t[1]), t[2]);
            }
            case 'cumsum':
              return tf.cumsum(t[0], 0);
            case 'conv1d': {
              const x = tf.pad(t[0] as tf.Tensor3D, [
                [0, 0],
                [before(inputs[1]), 0],
                [0, 0],
              ]);
              return tf.conv1d(x, t[1] as tf.Tensor3D, 1, 'valid');
            }
          }
        });
      return {
        async run() {
          const y = f();
          await y.data();
          y.dispose();
        },
        async read() {
          const y = f();
          const data = (await y.data()) as Float32Array<ArrayBuffer>;
          y.dispose();
          return flash ? swapMiddle({ shape: t[0].shape, data }).data : data;
        },
        dispose: () => t.forEach((x) => x.dispose()),
      };
    },
  };
}
