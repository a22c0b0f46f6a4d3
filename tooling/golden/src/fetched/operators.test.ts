// Operators against the backend tests of ONNX and a Keras network of RTNeural, inputs and outputs by others.
import { causalConv, causalConvState } from '@seq/conv';
import type { CausalConvParams } from '@seq/conv';
import { activate, layerNorm, linear } from '@seq/nn';
import type { Activation } from '@seq/nn';
import {
  concat,
  conv1d,
  cumsum,
  mean,
  pad,
  reshape,
  rsqrt,
  slice,
  softmax,
  sqrt,
  stack,
  tensor,
  variance,
  where,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { describe, expect, test } from 'vitest';
import { fetched, worst } from './data.js';

interface OnnxArray {
  readonly name: string;
  readonly dtype: 'float32' | 'float64' | 'int32';
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface OnnxCase {
  readonly test: string;
  readonly attrs: Readonly<Record<string, number | string | readonly number[]>>;
  readonly inputs: readonly OnnxArray[];
  readonly outputs: readonly OnnxArray[];
}

const dtypes = { float32: 'f32', float64: 'f64', int32: 'i32' } as const;
const place = ({ data, shape, dtype }: OnnxArray): Tensor =>
  tensor([...data], { shape: [...shape], dtype: dtypes[dtype] });

/** Attributes of a case; one that nobody reads makes the test fail. */
class Attributes {
  readonly #left: Map<string, unknown>;
  constructor(attrs: OnnxCase['attrs']) {
    this.#left = new Map(Object.entries(attrs));
  }
  take<T>(name: string, otherwise: T): T {
    const value = this.#left.get(name) ?? otherwise;
    this.#left.delete(name);
    return value as T;
  }
  unread(): string[] {
    return [...this.#left.keys()];
  }
}

type Operator = (
  inputs: readonly Tensor[],
  attributes: Attributes,
  given: readonly OnnxArray[],
) => Record<string, Tensor>;

/** Outputs by the names that the cases give them. */
const operators: Readonly<Record<string, { readonly cases: number; readonly run: Operator }>> = {
  Softmax: { cases: 4, run: ([x], a) => ({ y: softmax(x, a.take('axis', -1)) }) },

  CumSum: {
    cases: 7,
    run: ([x], a, [, axis]) => ({
      y: cumsum(x, axis.data[0], {
        exclusive: a.take<number>('exclusive', 0) === 1,
        reverse: a.take<number>('reverse', 0) === 1,
      }),
    }),
  },

  LayerNormalization: {
    cases: 19,
    run([x, w, b], a) {
      const first = a.take('axis', -1);
      const eps = a.take('epsilon', 1e-5);
      const lead = x.shape.slice(0, first < 0 ? x.ndim + first : first);
      const inner = w.size;
      const rows = reshape(x, [...lead, inner]);
      const y = layerNorm(rows, { weight: reshape(w, [inner]), bias: reshape(b, [inner]) }, { eps });
      const one = x.shape.map((n, i) => (i < lead.length ? n : 1));
      return {
        Y: reshape(y, x.shape),
        Mean: reshape(mean(rows, -1), one),
        InvStdDev: reshape(rsqrt(variance(rows, -1).add(eps)), one),
      };
    },
  },

  MeanVarianceNormalization: {
    cases: 1,
    run([x], a) {
      const axes = a.take('axes', [0, 2, 3]);
      const o = { keepDims: true };
      return { Y: x.sub(mean(x, axes, o)).div(sqrt(variance(x, axes, o)).add(1e-9)) };
    },
  },

  // The cases are of images with one channel: the rows that a kernel covers are the channels of a convolution in time.
  Conv: {
    cases: 6,
    run([x, weight], a) {
      const [, , rows, columns] = x.shape;
      const [height, width] = a.take<readonly number[]>('kernel_shape', []);
      const [down, right] = a.take('strides', [1, 1]);
      let [top, left, bottom, end] = a.take('pads', [0, 0, 0, 0]);
      const auto = a.take<string>('auto_pad', 'NOTSET');
      if (auto === 'SAME_LOWER') {
        const both = (n: number, kernel: number, stride: number): number =>
          Math.max(0, (Math.ceil(n / stride) - 1) * stride + kernel - n);
        const [v, h] = [both(rows, height, down), both(columns, width, right)];
        [top, left, bottom, end] = [Math.ceil(v / 2), Math.ceil(h / 2), Math.floor(v / 2), Math.floor(h / 2)];
      } else expect(auto).toBe('NOTSET');
      const image = pad(x.squeeze(0).squeeze(0), 0, top, bottom); // [rows, columns]
      const outputs = Math.floor((rows + top + bottom - height) / down) + 1;
      const windows = Array.from({ length: outputs }, (_, r) =>
        slice(image, 0, r * down, r * down + height).transpose(),
      );
      const kernel = weight.squeeze(0).squeeze(0).transpose().expandDims(2); // [width, height, 1]
      const y = conv1d(stack(windows), kernel, { stride: right, padding: [left, end] });
      return { y: reshape(y, [1, 1, outputs, y.shape[1]]) };
    },
  },
};

describe.each(Object.entries(operators))('ONNX backend tests of %s', (name, { cases, run }) => {
  const files = fetched(`ops/onnx/${name}.json`);
  test.skipIf(files.absent)(`every case${files.note}`, async () => {
    const list = files.json<OnnxCase[]>();
    expect(list).toHaveLength(cases);
    for (const { test: title, attrs, inputs, outputs } of list) {
      const attributes = new Attributes(attrs);
      const got = run(inputs.map(place), attributes, inputs);
      expect(attributes.unread(), title).toEqual([]);
      expect(outputs.map((o) => o.name).sort(), title).toEqual(Object.keys(got).sort());
      for (const want of outputs)
        expect(await worst(got[want.name], place(want), 'relative'), title).toBeLessThan(2e-6);
    }
  });
});

interface KerasLayer {
  readonly type: 'dense' | 'conv1d' | 'batchnorm' | 'prelu';
  readonly activation: '' | Activation;
  readonly weights: readonly unknown[];
  readonly dilation?: readonly number[];
  readonly groups?: number;
  readonly epsilon?: number;
}

/** One layer as a function of a chunk [1, T, I], which keeps what it needs of those before. */
function kerasLayer(layer: KerasLayer): (x: Tensor) => Tensor {
  const { type, activation, weights } = layer;
  const [first, ...rest] = (weights as (number[] | number[][] | number[][][])[]).map((w) => tensor(w));
  const then = (y: Tensor): Tensor => (activation === '' ? y : activate(y, activation));
  if (type === 'dense') return (x) => then(linear(x, { weight: first.transpose(), bias: rest[0] }));
  if (type === 'prelu') return (x) => then(where(x.gt(0), x, x.mul(first)));
  if (type === 'batchnorm') {
    const [m, v] = rest.length === 1 ? [first, rest[0]] : rest.slice(1);
    const unit = (x: Tensor): Tensor => x.sub(m).mul(rsqrt(v.add(layer.epsilon!)));
    return (x) => then(rest.length === 1 ? unit(x) : unit(x).mul(first).add(rest[0]));
  }
  const dilation = layer.dilation![0];
  const groups = layer.groups!;
  const params: CausalConvParams = { weight: first, bias: rest[0] };
  let state = causalConvState(1, first.shape[1] * groups, { convWidth: first.shape[0], dilation });
  return (x) => {
    const [y, next] = causalConv(x, params, { dilation, groups, state });
    state = next;
    return then(y);
  };
}

const keras = fetched('ops/rtneural/conv_keras.json');

test.skipIf(keras.absent).each([
  ['whole', 100],
  ['in chunks of 7', 7],
  ['step by step', 1],
])(
  `RTNeural: dense, causal convolutions, batch norm and PReLU of Keras, %s${keras.note}`,
  async (_, size) => {
    const { layers, x, y } = keras.json<{ layers: KerasLayer[]; x: number[]; y: number[] }>();
    expect(layers).toHaveLength(9);
    const network = layers.map(kerasLayer);
    const input = tensor(x).reshape([1, -1, 1]);
    const chunks: Tensor[] = [];
    for (let t = 0; t < x.length; t += size)
      chunks.push(network.reduce((h, layer) => layer(h), slice(input, 1, t, Math.min(t + size, x.length))));
    expect(await worst(concat(chunks, 1).reshape([-1]), tensor(y))).toBeLessThan(1e-6);
  },
);
