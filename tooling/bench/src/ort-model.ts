import type { Input } from './input.js';
import type { Item } from './items.js';
import { graph } from './onnx.js';
import type { Constants, GraphNode } from './onnx.js';
import { filled, parts, turned } from './transformer.js';

/** One token behind a cache as one graph: x0 is the token, then keys [1, H, D, T] and values [1, H, T, D] of each layer. */
export function decodeGraph({ inputs, size: of }: Item): { bytes: Uint8Array; feeds: readonly Input[] } {
  const { layers, width: C, heads: H } = of!;
  const { tokens, parameters, caches } = parts(inputs, of!);
  const nodes: GraphNode[] = [];
  const constants: Record<string, Constants[string]> = {
    one: [1, 1, H, C / H],
    joined: [1, 1, C],
    scale: { shape: [], data: Float32Array.of(Math.sqrt(H / C)) },
  };
  let made = 0;
  const all = (
    n: number,
    operation: string,
    from: readonly string[],
    attributes: GraphNode['attributes'] = {},
  ): string[] => {
    const outputs = Array.from({ length: n }, () => `t${made++}`);
    nodes.push({ operation, inputs: from, outputs, attributes });
    return outputs;
  };
  const put = (operation: string, from: readonly string[], attributes?: GraphNode['attributes']): string =>
    all(1, operation, from, attributes)[0];
  const parameter = (name: string, matrix = false): string => {
    const value = parameters.get(name)!;
    constants[name] = matrix ? turned(value) : value;
    return name;
  };
  const times = (x: string, name: string): string => put('MatMul', [x, parameter(`${name}.weight`, true)]);
  const norm = (x: string, name: string): string =>
    put('LayerNormalization', [x, parameter(`${name}.weight`), parameter(`${name}.bias`)], { axis: -1 });
  const turn = (x: string, perm: readonly number[]): string => put('Transpose', [x], { perm });

  let x = put('Gather', [parameter('embedding.weight'), put('Cast', ['x0'], { to: 7 })]);
  for (let i = 0; i < layers; i++) {
    const block = `blocks.${i}`;
    const qkv = all(3, 'Split', [times(norm(x, `${block}.norm`), `${block}.mixer.qkv`)], { axis: -1 });
    const [q, k, v] = qkv.map((y) => put('Reshape', [y, 'one']));
    const keys = put('Concat', [`x${1 + 2 * i}`, turn(k, [0, 2, 3, 1])], { axis: 3 });
    const values = put('Concat', [`x${2 + 2 * i}`, turn(v, [0, 2, 1, 3])], { axis: 2 });
    const scores = put('Mul', [put('MatMul', [turn(q, [0, 2, 1, 3]), keys]), 'scale']);
    const heads = turn(put('MatMul', [put('Softmax', [scores], { axis: -1 }), values]), [0, 2, 1, 3]);
    x = put('Add', [x, times(put('Reshape', [heads, 'joined']), `${block}.mixer.out`)]);
    const up = times(norm(x, `${block}.feedForwardNorm`), `${block}.feedForward.up`);
    x = put('Add', [x, times(put('Mul', [up, put('Sigmoid', [up])]), `${block}.feedForward.down`)]);
  }
  const last = norm(x, 'norm');
  nodes.push({ operation: 'MatMul', inputs: [last, parameter('head.weight', true)], outputs: ['y'] });
  const past = caches.flatMap(([k, v]) => [filled(k, 'HDT'), filled(v, 'HTD')]);
  const feeds = [{ shape: [1, 1], data: Float32Array.from(tokens) }, ...past];
  return {
    bytes: graph(
      nodes,
      feeds.map((f) => f.shape),
      constants,
    ),
    feeds,
  };
}
