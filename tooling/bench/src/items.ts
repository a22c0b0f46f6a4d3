/** What is measured: the operation, its inputs and the ratio that Seq has to reach. */
import { numbers } from './input.js';
import type { Input } from './input.js';
import { decodeInputs, decodeSize, trainingInputs, trainingSize } from './transformer.js';
import type { Size } from './transformer.js';

/** Operations that a contender may know. */
export type Operation =
  | 'matmul'
  | 'softmax'
  | 'layerNorm'
  | 'cumsum'
  | 'conv1d'
  | 'fft'
  | 'gru'
  | 'lstm'
  | 'gruGradients'
  | 'lstmGradients'
  | 'attention'
  | 'attentionGradients'
  | 'trainingStep'
  | 'decodeStep'
  | 'flash'
  | 'flashGradients';

/** One line of the report. */
export interface Item {
  readonly name: string;
  readonly operation: Operation;
  readonly inputs: readonly Input[];
  /** Of the model, where one is trained or asked for a token. */
  readonly size?: Size;
  /** Largest ratio to the best peer of the same kind. */
  readonly bar: number;
  /** Peers that take no part: they take many times as long as the others. */
  readonly without?: readonly string[];
  /** Not compared with peers, but with the same thing made of Seq's own composed operations. */
  readonly composed?: true;
}

/** What is computed on. */
export type DeviceKind = 'cpu' | 'webgpu';

const item = (name: string, operation: Operation, bar: number, ...shapes: number[][]): (() => Item) => {
  return () => {
    const inputs = shapes.map((shape, i) => numbers(shape, i + 1));
    // Recurrent weights within ±1/√width: with larger ones rounding grows from step to step.
    if (isRecurrent(operation)) {
      const reach = 2 / Math.sqrt(shapes[0][2]);
      for (const { data } of inputs.slice(1)) data.forEach((v, k) => (data[k] = v * reach));
    }
    return { name, operation, bar, inputs };
  };
};

/** True for a recurrent layer, with its gradients or without. */
export function isRecurrent(
  operation: Operation,
): operation is 'gru' | 'lstm' | 'gruGradients' | 'lstmGradients' {
  return operation.startsWith('gru') || operation.startsWith('lstm');
}

type Line = readonly [name: string, operation: Operation, bar: number, ...shapes: number[][]];

/** Items by name; inputs are made when one is asked for. */
const named = (lines: readonly Line[]): Readonly<Record<string, () => Item>> =>
  Object.fromEntries(lines.map(([name, ...rest]) => [name, item(name, ...rest)]));

const heads = [1, 8, 256, 64];
/** T positions of 8 heads, time before heads. */
const rows = (T: number): number[][] => Array.from({ length: 3 }, () => [1, T, 8, 64]);

/** 256 positions of width 256, both weights, both biases, of a layer with so many gates. */
const recurrent = (B: number, gates: number): number[][] => {
  const rows = gates * 256;
  return [[B, 256, 256], [rows, 256], [rows, 256], [rows], [rows]];
};

/** Attention over 2,048 positions beside its composed form. */
const besideComposed = (gradients: number): Readonly<Record<string, () => Item>> =>
  Object.fromEntries(
    (
      [
        ['flash 2048 beside composed', 'flash', 0.65],
        ['flash 2048 with gradients beside composed', 'flashGradients', gradients],
      ] as const
    ).map(([name, operation, bar]) => [
      name,
      (): Item => ({ ...item(name, operation, bar, ...rows(2048))(), composed: true }),
    ]),
  );

/** A small transformer, trained and asked for a token. */
const models = (training: number, decoding: number): Readonly<Record<string, () => Item>> => ({
  'training step': () => ({
    name: 'training step',
    operation: 'trainingStep',
    bar: training,
    inputs: trainingInputs(),
    size: trainingSize,
  }),
  'decode step': () => ({
    name: 'decode step',
    operation: 'decodeStep',
    bar: decoding,
    inputs: decodeInputs(),
    size: decodeSize,
  }),
});

/** The items of each device. */
export const items: Readonly<Record<DeviceKind, Readonly<Record<string, () => Item>>>> = {
  cpu: {
    ...named([
      ['matmul 512', 'matmul', 0.6, [512, 512], [512, 512]],
      ['matmul 1024', 'matmul', 0.6, [1024, 1024], [1024, 1024]],
      ['matmul 64 x 64', 'matmul', 0.9, [64, 64, 64], [64, 64, 64]],
      ['softmax 1024', 'softmax', 0.75, [1024, 1024]],
      ['layernorm 1024', 'layerNorm', 0.2, [1024, 1024], [1024], [1024]],
      ['cumsum 65536x64', 'cumsum', 0.4, [65536, 64]],
      ['conv1d 4096', 'conv1d', 0.7, [1, 4096, 64], [4, 64, 64]],
      ['fft 16384', 'fft', 0.5, [1, 16384], [1, 16384]],
      ['gru 256 B1', 'gru', 1, ...recurrent(1, 3)],
      ['gru 256 B8', 'gru', 0.7, ...recurrent(8, 3)],
      ['lstm 256 B1', 'lstm', 1, ...recurrent(1, 4)],
      ['lstm 256 B8', 'lstm', 0.7, ...recurrent(8, 4)],
      ['flash 1024', 'flash', 0.4, ...rows(1024)],
      ['flash 1024 with gradients', 'flashGradients', 0.28, ...rows(1024)],
    ]),
    'flash 4096': () => ({
      ...item('flash 4096', 'flash', 0.35, ...rows(4096))(),
      without: ['tfjs-wasm', 'jax-js'],
    }),
    ...besideComposed(0.75),
    ...models(0.5, 0.75),
  },
  webgpu: {
    ...named([
      ['matmul 512', 'matmul', process.env['SEQ_GPU'] === 'lavapipe' ? 0.75 : 0.5, [512, 512], [512, 512]],
      ['softmax 1024', 'softmax', 0.75, [1024, 1024]],
      ['layernorm 1024', 'layerNorm', 0.5, [1024, 1024], [1024], [1024]],
      ['attention 256', 'attention', 0.7, heads, heads, heads],
      ['attention 256 with gradients', 'attentionGradients', 0.75, heads, heads, heads],
      ['gru 256 B1', 'gru', 0.75, ...recurrent(1, 3)],
      ['lstm 256 B1', 'lstm', 0.75, ...recurrent(1, 4)],
      ['gru 256 B1 with gradients', 'gruGradients', 0.5, ...recurrent(1, 3)],
      ['lstm 256 B1 with gradients', 'lstmGradients', 0.5, ...recurrent(1, 4)],
      ['flash 256', 'flash', 0.6, ...rows(256)],
      ['flash 256 with gradients', 'flashGradients', 0.6, ...rows(256)],
      ['flash 1024', 'flash', 0.6, ...rows(1024)],
    ]),
    ...besideComposed(1),
    ...models(0.5, 0.55),
  },
};

/** Width of the padding before the sequence in `conv1d`: causal, so that the result keeps its length. */
export const before = (kernel: Input): number => kernel.shape[0] - 1;

/** The last two axes of a tensor exchanged; for peers that keep channels before time. */
export function swapLast({ shape, data }: Input): Input {
  const [c, r] = [shape[shape.length - 1], shape[shape.length - 2]];
  const out = new Float32Array(data.length);
  for (let b = 0; b < data.length; b += r * c) {
    for (let i = 0; i < r; i++) for (let j = 0; j < c; j++) out[b + j * r + i] = data[b + i * c + j];
  }
  return { shape: [...shape.slice(0, -2), c, r], data: out };
}

/** A filter [W, Cin, Cout] as [Cout, Cin, W]. */
export function reverseAxes({ shape, data }: Input): Input {
  const [W, I, O] = shape;
  const out = new Float32Array(data.length);
  for (let w = 0; w < W; w++) {
    for (let i = 0; i < I; i++)
      for (let o = 0; o < O; o++) out[(o * I + i) * W + w] = data[(w * I + i) * O + o];
  }
  return { shape: [O, I, W], data: out };
}

/** Real and imaginary parts, each [1, N], as pairs [1, N, 2]. */
export function pairs([re, im]: readonly Input[]): Input {
  const data = new Float32Array(2 * re.data.length);
  re.data.forEach((v, i) => ([data[2 * i], data[2 * i + 1]] = [v, im.data[i]]));
  return { shape: [...re.shape, 2], data };
}

/** [B, T, H, D] as [B, H, T, D], or back. */
export function swapMiddle({ shape: [B, T, H, D], data }: Input): Input {
  const out = new Float32Array(data.length);
  for (let b = 0; b < B; b++)
    for (let t = 0; t < T; t++)
      for (let h = 0; h < H; h++) {
        const from = ((b * T + t) * H + h) * D;
        out.set(data.subarray(from, from + D), ((b * H + h) * T + t) * D);
      }
  return { shape: [B, H, T, D], data: out };
}

/** The first two axes exchanged. */
export function swapFirst({ shape, data }: Input): Input {
  const [a, b, ...rest] = shape;
  const n = rest.reduce((p, d) => p * d, 1);
  const out = new Float32Array(data.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) out.set(data.subarray((i * b + j) * n, (i * b + j + 1) * n), (j * a + i) * n);
  }
  return { shape: [b, a, ...rest], data: out };
}

/** Gates of a weight or bias, blocks of rows, in another order. */
export function orderGates({ shape, data }: Input, order: readonly number[]): Input {
  const block = data.length / order.length;
  const out = new Float32Array(data.length);
  order.forEach((from, i) => out.set(data.subarray(from * block, (from + 1) * block), i * block));
  return { shape, data: out };
}
