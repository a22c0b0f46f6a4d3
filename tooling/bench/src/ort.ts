import type { Contender, Prepared } from './contender.js';
import type { Input } from './input.js';
import { before, orderGates, pairs, reverseAxes, swapFirst, swapLast, swapMiddle } from './items.js';
import type { Item } from './items.js';
import { graph, model } from './onnx.js';
import { decodeGraph } from './ort-model.js';

/** What onnxruntime-web and onnxruntime-node share. */
interface Runtime {
  readonly InferenceSession: {
    create(bytes: Uint8Array, options: object): Promise<Session>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Value;
}
interface Value {
  readonly data: unknown;
}
interface Session {
  run(feeds: Record<string, Value>): Promise<Record<string, Value>>;
  release(): Promise<void>;
}

/** A model, what it is fed and how its result becomes that of Seq. */
interface Graph {
  readonly bytes: Uint8Array;
  readonly feeds: readonly Input[];
  readonly back: (y: Input) => Float32Array;
}

/** Causal attention on [B, T, H, D] by the operator that knows it. */
function fusedAttention(inputs: readonly Input[]): Graph {
  const feeds = inputs.map(({ shape: [B, T, H, D], data }) => ({ shape: [B, T, H * D], data }));
  const node = {
    operation: 'MultiHeadAttention',
    domain: 'com.microsoft',
    inputs: ['x0', 'x1', 'x2'],
    outputs: ['y'],
    attributes: { num_heads: inputs[0].shape[2], unidirectional: 1 },
  };
  const shapes = feeds.map((f) => f.shape);
  return { bytes: graph([node], shapes, {}), feeds, back: ({ data }) => data };
}

/** Causal attention on [B, H, T, D] as products, a mask that is added, a softmax. */
function composedAttention(inputs: readonly Input[]): Graph {
  const [B, T, H, D] = inputs[0].shape;
  const data = new Float32Array(T * T);
  for (let i = 0; i < T; i++) data.fill(-1e30, i * T + i + 1, (i + 1) * T);
  const feeds = [...inputs.map(swapMiddle), { shape: [T, T], data }];
  const scale = { shape: [1], data: Float32Array.of(1 / Math.sqrt(D)) };
  const bytes = graph(
    [
      { operation: 'Transpose', inputs: ['x1'], outputs: ['kt'], attributes: { perm: [0, 1, 3, 2] } },
      { operation: 'Mul', inputs: ['x0', 'scale'], outputs: ['q'] },
      { operation: 'MatMul', inputs: ['q', 'kt'], outputs: ['s'] },
      { operation: 'Add', inputs: ['s', 'x3'], outputs: ['m'] },
      { operation: 'Softmax', inputs: ['m'], outputs: ['p'], attributes: { axis: -1 } },
      { operation: 'MatMul', inputs: ['p', 'x2'], outputs: ['y'] },
    ],
    feeds.map((f) => f.shape),
    { scale },
  );
  return { bytes, feeds, back: (y) => swapMiddle({ shape: [B, H, T, D], data: y.data }).data };
}

/** The node, its inputs and how its result becomes that of Seq. */
function graphOf(item: Item, fused: boolean): Graph | null {
  const { operation, inputs } = item;
  const plain = (y: Input): Float32Array => y.data;
  const shapes = inputs.map((i) => i.shape);
  switch (operation) {
    // Its fused operators return wrong values on software adapters, and composed graphs are not its way.
    case 'attention':
    case 'attentionGradients':
    // It does not train.
    case 'trainingStep':
    case 'gruGradients':
    case 'lstmGradients':
      return null;
    case 'decodeStep':
      return { ...decodeGraph(item), back: plain };
    case 'flashGradients':
      return null;
    case 'flash':
      // Fused it is faster, up to lengths where it fails.
      return fused && inputs[0].shape[1] <= 2048 ? fusedAttention(inputs) : composedAttention(inputs);
    case 'matmul':
      return { bytes: model('MatMul', shapes, {}), feeds: inputs, back: plain };
    case 'softmax':
      return { bytes: model('Softmax', shapes, { axis: -1 }), feeds: inputs, back: plain };
    case 'layerNorm':
      return { bytes: model('LayerNormalization', shapes, { axis: -1 }), feeds: inputs, back: plain };
    case 'cumsum':
      return { bytes: model('CumSum', shapes, {}, { axis: 0 }), feeds: inputs, back: plain };
    case 'gru':
    case 'lstm': {
      // Its own order of gates, time before batch, a leading axis for directions; both biases in one.
      const [x, w, r, bi, bh] = inputs;
      const order = operation === 'gru' ? [1, 0, 2] : [0, 3, 1, 2];
      const one = (i: Input): Input => ({ shape: [1, ...i.shape], data: orderGates(i, order).data });
      const bias = Float32Array.from([...one(bi).data, ...one(bh).data]);
      const weights = { w: one(w), r: one(r), b: { shape: [1, bias.length], data: bias } };
      const feeds = [swapFirst(x)];
      const extra: Record<string, number> = operation === 'gru' ? { linear_before_reset: 1 } : {};
      const attributes = { hidden_size: r.shape[1], ...extra };
      const [T, B, H] = [feeds[0].shape[0], feeds[0].shape[1], r.shape[1]];
      return {
        bytes: model(operation.toUpperCase(), [feeds[0].shape], attributes, weights),
        feeds,
        back: ({ data }) => swapFirst({ shape: [T, B, H], data }).data,
      };
    }
    case 'fft':
      return {
        bytes: model('DFT', [[...shapes[0], 2]], { axis: 1 }),
        feeds: [pairs(inputs)],
        back: ({ data }) =>
          Float32Array.from(data, (_, i) => data[2 * (i % shapes[0][1]) + (i >= shapes[0][1] ? 1 : 0)]),
      };
    case 'conv1d': {
      const feeds = [swapLast(inputs[0]), reverseAxes(inputs[1])];
      const pads = [before(inputs[1]), 0];
      return {
        bytes: model(
          'Conv',
          feeds.map((f) => f.shape),
          { pads },
        ),
        feeds,
        back: (y) => swapLast(y).data,
      };
    }
  }
}

async function prepare(
  runtime: Runtime,
  options: object,
  item: Item,
  fused: boolean,
): Promise<Prepared | null> {
  const made = graphOf(item, fused);
  if (made === null) return null;
  const { bytes, feeds, back } = made;
  const session = await runtime.InferenceSession.create(bytes, options);
  const values = Object.fromEntries(
    feeds.map(({ data, shape }, i) => [`x${i}`, new runtime.Tensor('float32', data, shape)]),
  );
  return {
    async run() {
      await session.run(values);
    },
    async read() {
      const { y } = await session.run(values);
      const last = item.operation === 'conv1d' ? item.inputs[1].shape[2] : 0;
      const data = Float32Array.from(y.data as Float32Array<ArrayBuffer>);
      return back({ shape: last === 0 ? [data.length] : [1, last, data.length / last], data });
    },
    dispose: () => void session.release(),
  };
}

/** onnxruntime-web, one thread. */
export async function ortWeb(backend: 'wasm' | 'webgpu'): Promise<Contender> {
  const ort = backend === 'wasm' ? await import('onnxruntime-web') : await import('onnxruntime-web/webgpu');
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  const options = { executionProviders: [backend] };
  return {
    name: 'onnxruntime-web',
    comparable: true,
    // Its fused attention gives wrong values on software adapters.
    prepare: (item) => prepare(ort, options, item, backend === 'wasm'),
  };
}

/** onnxruntime-node on its CPU backend, one thread: native code, for comparison. */
export async function ortNode(): Promise<Contender> {
  const ort = await import('onnxruntime-node');
  const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1 };
  return {
    name: 'onnxruntime-node',
    comparable: false,
    prepare: (item) => prepare(ort, options, item, true),
  };
}
