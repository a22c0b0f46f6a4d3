import { attend } from '@seq/attention';
import { flashAttention } from '@seq/flash';
import { layerNorm } from '@seq/nn';
import { gruSequence, lstmSequence } from '@seq/rnn';
import {
  compile,
  concat,
  conv1d,
  cumsum,
  fft,
  grad,
  matmul,
  ones,
  scope,
  softmax,
  tensor,
  tril,
  where,
} from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import type { Contender } from './contender.js';
import { decodeStep, trainingStep } from './seq-model.js';

/** Causal attention of composed operations on [B, H, T, D]. */
function attention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [T, D] = q.shape.slice(-2);
  const scores = matmul(q, k.transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(D));
  const mask = tril(ones([T, T], { device: q.device })).gt(0);
  return matmul(softmax(where(mask, scores, -1e30)), v);
}

/** The outputs of a recurrent layer from x, both weights and both biases. */
function recurrent(name: 'gru' | 'lstm', [x, weightIh, weightHh, biasIh, biasHh]: readonly Tensor[]): Tensor {
  const weights = { weightIh, weightHh, biasIh, biasHh };
  return (name === 'gru' ? gruSequence(x, weights) : lstmSequence(x, weights))[0];
}

/** Attention as `flashAttention` takes it, of composed operations. */
export function composed(device: Device): Contender {
  return seq(device, 'composed', attend);
}

/** Seq on a device: on the CPU each run records, computes and frees; on WebGPU it is a compiled plan. */
export function seq(device: Device, title: string, flash: typeof attend = flashAttention): Contender {
  return {
    name: title,
    comparable: true,
    async prepare(item) {
      const { operation, inputs } = item;
      if (operation === 'trainingStep') return trainingStep(item, device);
      if (operation === 'decodeStep') return decodeStep(item, device);
      const t = inputs.map(({ data, shape }) => tensor(data, { shape, device }));
      await Promise.all(t.map((x) => x.realize()));
      const compute = (...t: Tensor[]): Tensor => {
        switch (operation) {
          case 'attention':
            return attention(t[0], t[1], t[2]);
          case 'attentionGradients': {
            const grads = grad((x: Tensor[]) => attention(x[0], x[1], x[2]).square().sum(), t);
            return grads[0].add(grads[1]).add(grads[2]);
          }
          case 'flash':
            return flash(t[0], t[1], t[2], { causal: true });
          case 'flashGradients': {
            const f = (x: Tensor[]): Tensor => flash(x[0], x[1], x[2], { causal: true });
            const grads = grad((x: Tensor[]) => f(x).square().sum(), t);
            return grads[0].add(grads[1]).add(grads[2]);
          }
          case 'matmul':
            return matmul(t[0], t[1]);
          case 'softmax':
            return softmax(t[0]);
          case 'layerNorm':
            return layerNorm(t[0], { weight: t[1], bias: t[2] });
          case 'cumsum':
            return cumsum(t[0], 0);
          case 'gru':
          case 'lstm':
            return recurrent(operation, t);
          case 'gruGradients':
          case 'lstmGradients': {
            const name = operation === 'gruGradients' ? 'gru' : 'lstm';
            const grads = grad((x: Tensor[]) => recurrent(name, x).square().sum(), t);
            return concat(
              grads.map((g) => g.reshape([-1])),
              0,
            );
          }
          case 'fft': {
            const y = fft({ re: t[0], im: t[1] });
            return concat([y.re, y.im], 0);
          }
          case 'conv1d':
            return conv1d(t[0], t[1], { padding: 'causal' });
        }
      };
      const plan = device.kind === 'cpu' ? null : compile(compute);
      const f = (): Tensor => scope(() => (plan ?? compute)(...t));
      return {
        async run() {
          const y = f();
          await y.realize();
          y.dispose();
        },
        async read() {
          const y = f();
          const data = (await y.data()) as Float32Array;
          y.dispose();
          return data;
        },
        dispose() {
          plan?.dispose();
          t.forEach((x) => x.dispose());
        },
      };
    },
  };
}
