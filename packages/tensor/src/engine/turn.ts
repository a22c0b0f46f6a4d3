import { matmulOp } from '../ops/matmul.js';
import type { Layout } from './layout.js';
import { denseLayout, permuteLayout } from './layout.js';
import type { Graph } from './trace.js';
import type { Storage, Value } from './value.js';

/**
 * The layout in which yᵀ of a product y [..., M, N] shows the same elements, or undefined where an axis of the layout
 * crosses rows.
 */
function turned({ shape, strides, offset }: Layout, M: number, N: number): Layout | undefined {
  const size = M * N;
  let row = Math.floor((offset % size) / N);
  let column = offset % N;
  const start = offset - (offset % size) + column * M + row;
  const turnedStrides = strides.map((s, i) => {
    const steps = shape[i] - 1;
    if (steps <= 0 || s === 0) return 0;
    if (s % size === 0) return s;
    if (s % N === 0) {
      row += (s / N) * steps;
      return s / N;
    }
    column += s * steps;
    return s * M;
  });
  return row < M && column < N ? { shape, strides: turnedStrides, offset: start } : undefined;
}

/** True when neighbours along the last axis lie side by side. */
const inRows = ({ shape, strides }: Layout): boolean => {
  const last = shape.findLastIndex((d) => d !== 1);
  return last !== -1 && strides[last] === 1;
};

/**
 * The same graph for a planner, which looks at layouts and runs no views: y = a b becomes yᵀ = bᵀ aᵀ where everyone
 * who reads y walks down its columns.
 */
export function turnProducts(graph: Graph): Graph {
  const read = new Map<Storage, Set<Value>>();
  const use = (v: Value): void => void (read.get(v.storage) ?? setOf(read, v.storage)).add(v);
  for (const node of graph.nodes) if (!node.isView) node.inputs.forEach(use);
  graph.outputs.forEach(use);

  const instead = new Map<Value, Value>();
  const now = (v: Value): Value => instead.get(v) ?? v;
  const nodes = graph.nodes.map((node) => {
    if (node.isView) return node;
    const inputs = node.inputs.map(now);
    if (node.op !== matmulOp) return { ...node, inputs };
    const [y] = node.outputs;
    const [M, N] = y.shape.slice(-2) as [number, number];
    const readers = [...(read.get(y.storage) ?? [])];
    const layouts = readers.map((v) => turned(v, M, N));
    const wanted = readers.every((v, i) => !inRows(v) && layouts[i] !== undefined && inRows(layouts[i]));
    if (M === 1 || N === 1 || readers.length === 0 || !wanted) return { ...node, inputs };
    readers.forEach((v, i) => instead.set(v, { ...v, ...layouts[i] }));
    const outputs = [{ ...y, ...denseLayout([...y.shape.slice(0, -2), N, M]) }];
    return { ...node, inputs: inputs.map(transposed).reverse(), outputs };
  });
  return { ...graph, nodes, outputs: graph.outputs.map(now) };
}

function setOf<K, V>(map: Map<K, Set<V>>, key: K): Set<V> {
  const set = new Set<V>();
  map.set(key, set);
  return set;
}

/** A factor with its last two axes exchanged. */
function transposed(v: Value): Value {
  const rank = v.shape.length;
  const perm = v.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  return { ...v, ...permuteLayout(v, perm) };
}
