import type { Tensor } from '../tensor.js';
import { applyOn } from './apply.js';
import type { Graph } from './trace.js';
import type { Node, Value } from './value.js';

/** The graph without nodes that no output needs. */
export function closeGraph(graph: Graph): Graph {
  const needed = new Set<Value>(graph.outputs);
  const nodes: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (!node.outputs.some((v) => needed.has(v))) continue;
    for (const v of node.inputs) needed.add(v);
    nodes.push(node);
  }
  nodes.reverse();
  return { ...graph, nodes };
}

/** Records the graph's operations again on other inputs; tapes see them. */
export function evalGraph(graph: Graph, inputs: readonly Tensor[], make: (value: Value) => Tensor): Tensor[] {
  const env = new Map<Value, Tensor>();
  graph.inputs.forEach((v, i) => env.set(v, inputs[i]));
  evalNodes(graph, graph.nodes, env, make);
  return graph.outputs.map((v) => env.get(v)!);
}

/** Records some of a graph's operations again; `env` says what stands for the values it has. */
export function evalNodes(
  graph: Graph,
  nodes: readonly Node[],
  env: Map<Value, Tensor>,
  make: (value: Value) => Tensor,
): void {
  for (const node of nodes) {
    const result = applyOn(
      graph.device,
      make,
      node.op,
      node.inputs.map((v) => env.get(v)!),
      node.attrs,
    );
    const list = Array.isArray(result) ? result : [result];
    node.outputs.forEach((v, i) => env.set(v, list[i]));
  }
}
