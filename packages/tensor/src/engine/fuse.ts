import { fillOp } from '../ops/fill.js';
import type { Aval, DType, Shape } from './dtype.js';
import { sizeOf } from './dtype.js';
import type { Layout } from './layout.js';
import { broadcastLayout, isContiguous, reshapeLayout } from './layout.js';
import type { Op } from './op.js';
import { defineOp } from './op.js';
import type { Graph } from './trace.js';
import type { Node, Storage, Value } from './value.js';

/** One op of a fused chain; `args` number the values it takes: inputs of the chain first, then the steps before it. */
export interface FusedStep {
  readonly op: Op;
  readonly args: readonly number[];
  readonly dtype: DType;
  /** The number, for a step that is a constant. */
  readonly constant: number | null;
}

/** Attributes of a fused chain. */
export interface FusedAttrs {
  readonly steps: readonly FusedStep[];
  /** What leaves the chain, by its number; all results have one size, and their elements the same order. */
  readonly results: readonly number[];
  readonly avals: readonly Aval[];
  /** Work of all steps. */
  readonly flops: number;
  readonly matmulFlops: number;
  /** What the chain goes on with: an op whose inputs come first; its result is the value of the first step. */
  readonly head: FusedHead | null;
}

/** An op that does not work element by element, whose results a chain finishes before they are written. */
export interface FusedHead {
  readonly op: Op;
  readonly attrs: unknown;
  readonly inputs: number;
  /** Of its result, which has as many elements as those of the chain, in the same order. */
  readonly shape: Shape;
}

const infer: Op<FusedAttrs>['infer'] = (_, { avals }) => avals;
const cost: Op<FusedAttrs>['cost'] = (_, __, { flops, matmulFlops }) => ({ flops, matmulFlops });

/** A chain of element-by-element ops as one: made by the planner for devices that can run it. */
export const fusedOp: Op<FusedAttrs> = /* @__PURE__ */ defineOp<FusedAttrs>({ name: 'fused', infer, cost });

/** A chain behind a head, such as a matrix product with bias, activation and residual. */
export const finishedOp: Op<FusedAttrs> = /* @__PURE__ */ defineOp<FusedAttrs>({
  name: 'finished',
  infer,
  cost,
});

/** What fusion must know of a device. */
export interface Fusion {
  /** True for an op that may be a step: element i of its result depends on element i of its operands alone. */
  step(op: Op): boolean;
  /** True for an op that can pass its results through a chain before it writes them; f32 only. */
  head(op: Op): boolean;
  /** Most operands of a chain, results included. */
  readonly operands: number;
}

/** Longest chain: a shader should stay readable for the driver's compiler. */
const maxSteps = 32;

/** Nodes that will be one. */
interface Group {
  /** The last of them, in whose place the chain runs. */
  readonly root: Node;
  readonly at: number;
  readonly members: Set<Node>;
  /** Members whose results others need as well. */
  readonly results: Set<Node>;
  reads: Set<Value>;
  head: Node | null;
}

const dense = (v: Value): boolean => isContiguous(v) && v.offset === 0;
const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** How a chain of one shape reads the operand of a member of another shape; undefined where no strides say it. */
function readAs(v: Value, member: Shape, shape: Shape): Layout | undefined {
  return sameShape(member, shape) ? v : reshapeLayout(broadcastLayout(v, member), shape);
}

/**
 * The nodes of a graph with chains of element-by-element ops put together.
 *
 * A node joins the chain of a reader that looks at it as it is when all others that read it come behind the chain;
 * they find it as one more result. So nothing is computed twice and the order of the rest stays as it was. Constants
 * become numbers of the chain. A chain that alone reads the result of a head runs as part of it.
 */
export function fuse(graph: Graph, { step, head, operands }: Fusion): readonly Node[] {
  const producers = new Map<Storage, Node>();
  const readers = new Map<Storage, { node: Node; value: Value }[]>();
  for (const node of graph.nodes) {
    if (node.isView) continue;
    for (const v of node.outputs) producers.set(v.storage, node);
    for (const value of node.inputs) {
      const list = readers.get(value.storage);
      if (list === undefined) readers.set(value.storage, [{ node, value }]);
      else list.push({ node, value });
    }
  }
  const kept = new Set(graph.outputs.map((v) => v.storage));
  const isConstant = (v: Value): boolean => producers.get(v.storage)?.op === fillOp;

  const groups = new Map<Node, Group>();
  const place = new Map(graph.nodes.map((node, i) => [node, i]));
  /** When a node runs: a member of a chain with its chain. */
  const runsAt = (node: Node): number => groups.get(node)?.at ?? place.get(node)!;
  const join = (node: Node, group: Group, own: readonly Value[]): boolean => {
    const [out] = node.outputs;
    const [{ shape }] = group.root.outputs;
    if (group.members.size >= maxSteps || sizeOf(out.shape) !== sizeOf(shape)) return false;
    const uses = readers.get(out.storage)!;
    const inside = uses.filter((u) => groups.get(u.node) === group);
    if (!inside.every(({ value }) => isWhole(value, out))) return false;
    if (!own.every((v) => readAs(v, out.shape, shape) !== undefined)) return false;
    if (!uses.every((u) => inside.includes(u) || runsAt(u.node) > group.at)) return false;
    const needed = inside.length < uses.length || kept.has(out.storage);
    const reads = new Set([...group.reads].filter((v) => v.storage !== out.storage).concat(own));
    if (reads.size + group.results.size + (needed ? 1 : 0) > operands) return false;
    group.members.add(node);
    if (needed) group.results.add(node);
    group.reads = reads;
    groups.set(node, group);
    return true;
  };
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (node.isView || !step(node.op)) continue;
    const uses = readers.get(node.outputs[0].storage) ?? [];
    const own = node.inputs.filter((v) => !isConstant(v));
    const candidates = new Set(uses.flatMap((u) => groups.get(u.node) ?? []));
    if ([...candidates].some((group) => join(node, group, own))) continue;
    groups.set(node, {
      root: node,
      at: i,
      members: new Set([node]),
      results: new Set([node]),
      reads: new Set(own),
      head: null,
    });
  }
  const heads = new Set<Node>();
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (node.isView || !head(node.op) || node.outputs.length !== 1) continue;
    const [out] = node.outputs;
    const uses = readers.get(out.storage) ?? [];
    const group = uses.length > 0 ? groups.get(uses[0].node) : undefined;
    if (group === undefined || group.head !== null || kept.has(out.storage)) continue;
    const inside = uses.every((u) => groups.get(u.node) === group && isWhole(u.value, out));
    const reads = new Set([...group.reads].filter((v) => v.storage !== out.storage).concat(node.inputs));
    const f32 = [node, ...group.results].every((n) => n.outputs[0].dtype === 'f32');
    if (!inside || !f32 || reads.size + group.results.size > operands) continue;
    group.head = node;
    heads.add(node);
  }

  const result: Node[] = [];
  for (const node of graph.nodes) {
    const group = groups.get(node);
    if (heads.has(node)) continue;
    if (group === undefined) {
      if (node.op === fillOp && isFolded(node, readers, groups, kept)) continue;
      result.push(node);
    } else if (group.root === node) {
      const folds = group.members.size > 1 || group.head !== null || node.inputs.some(isConstant);
      result.push(folds ? fusedNode(graph, group, isConstant, producers) : node);
    }
  }
  return result;
}

/** True when all elements of a value are read in their order, whatever shape they are given. */
function isWhole(read: Value, out: Value): boolean {
  return dense(read) && sizeOf(read.shape) === sizeOf(out.shape);
}

const sameLayout = (a: Layout, b: Layout): boolean =>
  a.offset === b.offset && sameShape(a.shape, b.shape) && a.strides.every((s, i) => s === b.strides[i]);

/** True when every reader of a constant is a chain, which has it as a number. */
function isFolded(
  node: Node,
  readers: ReadonlyMap<Storage, readonly { node: Node }[]>,
  groups: ReadonlyMap<Node, Group>,
  kept: ReadonlySet<Storage>,
): boolean {
  const { storage } = node.outputs[0];
  const uses = readers.get(storage) ?? [];
  return uses.length > 0 && !kept.has(storage) && uses.every((u) => groups.has(u.node));
}

function fusedNode(
  graph: Graph,
  { root, members, results, head }: Group,
  isConstant: (v: Value) => boolean,
  producers: ReadonlyMap<Storage, Node>,
): Node {
  const order = graph.nodes.filter((n) => members.has(n));
  const inputs: Value[] = [...(head?.inputs ?? [])];
  const own = inputs.length;
  const [{ shape }] = root.outputs;
  /** The number of an operand that a member reads from outside. */
  const outer = (n: Node, v: Value): number => {
    const layout = readAs(v, n.outputs[0].shape, shape)!;
    const known = inputs.findIndex((x, i) => i >= own && x.storage === v.storage && sameLayout(x, layout));
    return known !== -1 ? known : inputs.push(layout === v ? v : { ...v, ...layout }) - 1;
  };
  for (const n of order) {
    for (const v of n.inputs) {
      const inner = producers.get(v.storage);
      const inside = inner !== undefined && (members.has(inner) || inner === head);
      if (!isConstant(v) && !inside) outer(n, v);
    }
  }
  const steps: FusedStep[] = [];
  const places = new Map<Node, number>();
  let [flops, matmulFlops] = [0, 0];
  const count = (n: Node): void => {
    const cost = n.op.cost?.(n.inputs, n.outputs, n.attrs);
    flops += cost?.flops ?? 0;
    matmulFlops += cost?.matmulFlops ?? 0;
  };
  const add = (s: FusedStep): number => inputs.length + steps.push(s) - 1;
  if (head !== null) {
    count(head);
    places.set(head, add({ op: head.op, args: [], dtype: head.outputs[0].dtype, constant: null }));
  }
  for (const n of order) {
    const args = n.inputs.map((v) => {
      if (isConstant(v)) {
        const { value } = producers.get(v.storage)!.attrs as { value: number };
        return add({ op: fillOp as Op, args: [], dtype: v.dtype, constant: value });
      }
      const inner = producers.get(v.storage);
      return (inner && places.get(inner)) ?? outer(n, v);
    });
    places.set(n, add({ op: n.op, args, dtype: n.outputs[0].dtype, constant: null }));
    count(n);
  }
  // The result of the last step comes first: it alone may take over the memory of an operand.
  const leaving = [root, ...[...results].filter((n) => n !== root)];
  const outputs = leaving.map((n) => n.outputs[0]);
  const attrs: FusedAttrs = {
    steps,
    results: leaving.map((n) => places.get(n)!),
    avals: outputs,
    flops,
    matmulFlops,
    head: head && {
      op: head.op,
      attrs: head.attrs,
      inputs: own,
      shape: head.outputs[0].shape,
    },
  };
  return {
    op: (head === null ? fusedOp : finishedOp) as Op,
    attrs,
    inputs,
    outputs,
    isView: false,
    site: (head ?? root).site,
    dead: false,
    done: false,
  };
}

/** What a node is called in reports. */
export function titleOf(op: Op, attrs: unknown): string {
  if (op !== fusedOp && op !== finishedOp) return op.name;
  return (attrs as FusedAttrs).steps
    .filter((s) => s.constant === null)
    .map((s) => s.op.name)
    .join('+');
}
