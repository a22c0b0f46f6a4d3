import { defaultDevice, grad, init, jit, lax, nn, numpy as np } from '@jax-js/jax';
import type { Contender } from './contender.js';
import { decodeStep, trainingStep } from './jax-model.js';
import { recurrentLayer } from './jax-recurrent.js';
import { before, isRecurrent, reverseAxes, swapLast } from './items.js';

type Values = ReturnType<typeof np.array>;

/** Causal attention on [B, H, T, D]. */
function attention(q: Values, k: Values, v: Values): Values {
  const [T, D] = q.shape.slice(-2);
  const scores = np.matmul(q, np.swapaxes(k, -1, -2)).mul(1 / Math.sqrt(D));
  const mask = np.tri(T).greater(0);
  return np.matmul(nn.softmax(np.where(mask, scores, -1e30), -1), v);
}

/** jax-js under `jit`; a run waits for the result and does not copy it out. */
export async function jax(backend: 'wasm' | 'webgpu'): Promise<Contender> {
  // It spreads work over threads wherever there is a Worker, and another peer may have brought one.
  Reflect.deleteProperty(globalThis, 'Worker');
  await init(backend);
  defaultDevice(backend);
  return {
    name: 'jax-js',
    comparable: true,
    async prepare(item) {
      const { operation, inputs } = item;
      if (isRecurrent(operation)) return backend === 'webgpu' ? recurrentLayer(item) : null;
      Reflect.deleteProperty(globalThis, 'Worker');
      if (operation === 'trainingStep') return trainingStep(item);
      if (operation === 'decodeStep') return decodeStep(item);
      const feeds = operation === 'conv1d' ? [swapLast(inputs[0]), reverseAxes(inputs[1])] : inputs;
      const t = feeds.map(({ data, shape }) => np.array(data, { shape: [...shape] }));
      const compiled = jit((...x: Values[]): Values => {
        switch (operation) {
          case 'attention':
            return attention(x[0], x[1], x[2]);
          case 'attentionGradients': {
            const loss = (y: Values[]): Values => np.square(attention(y[0], y[1], y[2])).sum();
            const [a, b, c] = grad(loss)(x);
            return a.add(b).add(c);
          }
          case 'flash':
            return nn.dotProductAttention(x[0], x[1], x[2], { isCausal: true });
          case 'flashGradients': {
            const f = (y: Values[]): Values => nn.dotProductAttention(y[0], y[1], y[2], { isCausal: true });
            const [a, b, c] = grad((y: Values[]): Values => np.square(f(y)).sum())(x);
            return a.add(b).add(c);
          }
          case 'matmul':
            return np.matmul(x[0], x[1]);
          case 'softmax':
            return nn.softmax(x[0], -1);
          case 'layerNorm':
            return nn.standardize(x[0], -1, { epsilon: 1e-5 }).mul(x[1]).add(x[2]);
          case 'cumsum':
            return np.cumsum(x[0], 0);
          case 'fft': {
            const y = np.fft.fft({ real: x[0], imag: x[1] }, -1);
            return np.concatenate([y.real, y.imag], 0);
          }
          case 'conv1d':
            return lax.convGeneralDilated(x[0], x[1], [1], [[before(inputs[1]), 0]]);
        }
      });
      const f = (): Values => compiled(...t.map((x) => x.ref));
      return {
        async run() {
          const y = f();
          await y.blockUntilReady();
          y.dispose();
        },
        async read() {
          const y = f();
          const { shape } = y;
          const data = (await y.data()) as Float32Array<ArrayBuffer>;
          return operation === 'conv1d' ? swapLast({ shape, data }).data : data;
        },
        dispose: () => t.forEach((x) => x.dispose()),
      };
    },
  };
}
