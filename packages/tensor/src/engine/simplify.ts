import { addOp } from '../ops/arithmetic.js';
import { fillOp } from '../ops/fill.js';
import { concatOp, unsliceOp } from '../ops/shape.js';
import { sizeOf } from './dtype.js';
import { closeGraph } from './graph.js';
import { isContiguous } from './layout.js';
import type { Op } from './op.js';
import type { Graph } from './trace.js';
import type { Node, Storage, Value } from './value.js';

/** Elements up to which a value is worth keeping rather than computing again. */
const small = 64;

/** Storages that depend on no input of a graph. */
function constantStorages({ nodes, inputs }: Graph): Set<Storage> {
  const varying = new Set(inputs.map((v) => v.storage));
  const constant = new Set<Storage>();
  for (const node of nodes) {
    if (node.isView) continue;
    const varies = node.inputs.some((v) => varying.has(v.storage));
    for (const v of node.outputs) (varies ? varying : constant).add(v.storage);
  }
  return constant;
}

/**
 * The same graph with less to do: what is computed twice from the same values is computed once, and slices of a
 * gradient that make up a whole are joined instead of padded with zeros and added.
 *
 * Only constants and small values are shared. Large ones that are computed twice are meant to be: that is what
 * `checkpoint` does.
 */
export function simplify(graph: Graph): Graph {
  return closeGraph(joinSlices(share(graph)));
}

function share(graph: Graph): Graph {
  const constant = constantStorages(graph);
  const ids = new Map<unknown, number>();
  const idOf = (x: unknown): number => {
    let id = ids.get(x);
    if (id === undefined) ids.set(x, (id = ids.size));
    return id;
  };
  const instead = new Map<Storage, Storage>();
  const changed = new Map<Value, Value>();
  const now = (v: Value): Value => {
    const storage = instead.get(v.storage);
    if (storage === undefined) return v;
    let w = changed.get(v);
    if (w === undefined) changed.set(v, (w = { ...v, storage }));
    return w;
  };
  const known = new Map<string, Node>();
  const nodes: Node[] = [];
  for (const old of graph.nodes) {
    const inputs = old.inputs.map(now);
    const node = inputs.every((v, i) => v === old.inputs[i])
      ? old
      : { ...old, inputs, outputs: old.isView ? old.outputs.map(now) : old.outputs };
    const worth = node.outputs.every((v) => constant.has(v.storage) || sizeOf(v.shape) <= small);
    if (node.isView || !worth) {
      nodes.push(node);
      continue;
    }
    const operands = inputs.map((v) => [idOf(v.storage), v.offset, v.shape, v.strides]);
    const key = `${idOf(node.op)} ${attrsKey(node.attrs, idOf)} ${JSON.stringify(operands)}`;
    const first = known.get(key);
    if (first === undefined) {
      known.set(key, node);
      nodes.push(node);
      continue;
    }
    node.outputs.forEach((v, i) => {
      instead.set(v.storage, first.outputs[i].storage);
      changed.set(v, first.outputs[i]);
    });
  }
  return { ...graph, nodes, outputs: graph.outputs.map(now) };
}

/** Equal for attributes that are plain values and equal; what else they hold is equal to itself alone. */
function attrsKey(attrs: unknown, idOf: (x: unknown) => number): string {
  return JSON.stringify(attrs ?? null, (_, v: unknown) => {
    if (typeof v === 'number' && (!Number.isFinite(v) || Object.is(v, -0)))
      return `\u0000${v === 0 ? '-0' : v}`;
    if (ArrayBuffer.isView(v)) {
      const list = v as unknown as ArrayLike<number>;
      return list.length <= 4096 ? [v.constructor.name, ...Array.from(list, String)] : `\u0000#${idOf(v)}`;
    }
    const plain =
      v === null ||
      typeof v !== 'object' ||
      Array.isArray(v) ||
      Object.getPrototypeOf(v) === Object.prototype;
    if (typeof v === 'function' || !plain || isGraphLike(v)) return `\u0000#${idOf(v)}`;
    return v;
  });
}

/** Recorded functions are plain objects, too large to be compared. */
const isGraphLike = (v: unknown): boolean =>
  typeof v === 'object' && v !== null && ('nodes' in v || 'instructions' in v);

interface Slice {
  readonly node: Node;
  readonly axis: number;
  readonly start: number;
  readonly count: number;
}

/** Sums of `unslice` whose slices cover an axis become one `concat`. */
function joinSlices(graph: Graph): Graph {
  const producers = new Map<Storage, Node>();
  const uses = new Map<Storage, number>();
  const use = (v: Value): void => void uses.set(v.storage, (uses.get(v.storage) ?? 0) + 1);
  for (const node of graph.nodes) {
    if (node.isView) continue;
    for (const v of node.outputs) producers.set(v.storage, node);
    node.inputs.forEach(use);
  }
  graph.outputs.forEach(use);

  const slicesOf = (v: Value): Slice[] | null => {
    const node = producers.get(v.storage);
    if (node === undefined || !isContiguous(v) || uses.get(v.storage) !== 1) return null;
    if (v.shape.length !== node.outputs[0].shape.length) return null;
    if (node.op === unsliceOp) {
      const { axis, start, step, count } = node.attrs as {
        axis: number;
        start: number;
        step: number;
        count: number;
      };
      return step === 1 ? [{ node, axis, start, count }] : null;
    }
    return node.op === addOp ? sumOf(node) : null;
  };
  const sumOf = (node: Node): Slice[] | null => {
    const parts = node.inputs.map(slicesOf);
    const [a, b] = parts;
    return a && b && a[0].axis === b[0].axis ? [...a, ...b] : null;
  };
  const nodes = graph.nodes.map((node) => {
    if (node.op !== addOp) return node;
    const slices = sumOf(node)?.sort((a, b) => a.start - b.start);
    if (!slices) return node;
    const [{ axis }] = slices;
    let end = 0;
    const covers = slices.every(({ start, count }) => {
      const next = start === end;
      end += count;
      return next;
    });
    if (!covers || end !== node.outputs[0].shape[axis]) return node;
    return { ...node, op: concatOp as Op, attrs: { axis }, inputs: slices.map((s) => s.node.inputs[0]) };
  });
  return { ...graph, nodes };
}

/**
 * What depends on no input, apart: `constants` computes it once, and `graph` takes it as further inputs. Plain fills
 * stay, since kernels have them as numbers.
 */
export function splitConstants(graph: Graph): { graph: Graph; constants: Graph } {
  const constant = constantStorages(graph);
  const made = new Map<Storage, Value>();
  const own: Node[] = [];
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const isConstant = constant.has(node.outputs[0].storage) && node.op !== fillOp;
    (isConstant && !node.isView ? own : nodes).push(node);
    if (isConstant && !node.isView) for (const v of node.outputs) made.set(v.storage, v);
  }
  const read = [...nodes.flatMap((n) => (n.isView ? [] : n.inputs)), ...graph.outputs];
  const frontier = [...new Set(read.flatMap((v) => made.get(v.storage) ?? []))];
  // Constants may be made from fills, and from views of each other.
  const all = graph.nodes.filter((n) => constant.has(n.outputs[0].storage));
  return {
    constants: closeGraph({ device: graph.device, inputs: [], captured: [], nodes: all, outputs: frontier }),
    graph: closeGraph({ ...graph, inputs: [...graph.inputs, ...frontier], nodes }),
  };
}
