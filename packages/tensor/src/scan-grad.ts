import { isFloat } from './engine/dtype.js';
import { closeGraph, evalGraph } from './engine/graph.js';
import type { VjpCall } from './engine/op.js';
import { withTrace } from './engine/state.js';
import type { Graph } from './engine/trace.js';
import { Trace } from './engine/trace.js';
import { state } from './engine/state.js';
import type { Node, Value } from './engine/value.js';
import { create, zerosLike } from './creation.js';
import { pullback } from './grad.js';
import { fillOp } from './ops/fill.js';
import type { Loop, ScanAttrs } from './scan.js';
import { scope } from './scope.js';
import { Tensor } from './tensor.js';

/**
 * How to differentiate a loop: its body with what the way back needs as extra results, and the body of the
 * loop backwards.
 */
export interface DiffLoop {
  readonly loop: Loop;
  /** Inputs as the loop's; outputs [carries, results, saved]. */
  readonly forward: Graph;
  /** Inputs [d carries, sums, slices, saved, d results, constants]; outputs [d carries, sums, d slices]. */
  readonly backward: Graph;
  /** Which carries, results, slices and constants have cotangents. */
  readonly carries: readonly number[];
  readonly results: readonly number[];
  readonly slices: readonly number[];
  readonly constants: readonly number[];
}

const make = (v: Value): Tensor => new Tensor(v);

/**
 * Records the body together with its pullback and cuts the recording in two.
 *
 * What the second part reads of the first is saved per step, except what costs nothing to make again (views,
 * constants, slices of the inputs). With `checkpoint` only carries are saved and the first part is repeated.
 */
export function diffLoop(loop: Loop, needs: readonly boolean[]): DiffLoop {
  const { graph, carries: C, slices: X } = loop;
  const K = graph.inputs.length - C - X;
  const floats = (from: number, n: number, wanted: boolean): number[] =>
    Array.from({ length: n }, (_, i) => i).filter(
      (i) => isFloat(graph.inputs[from + i].dtype) && (!wanted || needs[from + i]),
    );
  const carries = floats(0, C, false);
  const slices = floats(C, X, true);
  const constants = floats(C + X, K, true);
  const results = graph.outputs.slice(C).flatMap((v, i) => (isFloat(v.dtype) ? [i] : []));

  const t = new Trace(graph.device, state.trace);
  const inputs = graph.inputs.map((v) => t.placeholder(v));
  const dCarries = carries.map((i) => t.placeholder(graph.outputs[i]));
  const dResults = results.map((i) => t.placeholder(graph.outputs[C + i]));
  const sums = constants.map((i) => t.placeholder(graph.inputs[C + X + i]));
  const watched = [...carries, ...slices.map((i) => C + i), ...constants.map((i) => C + X + i)];
  let cut = 0;
  let outputs: Value[] = [];
  let grads: Value[] = [];
  withTrace(t, () =>
    scope(() => {
      const pulled = pullback(
        'scan',
        (list) => ({ outputs: evalGraph(graph, list, make), rest: null }),
        inputs.map(make),
        inputs.map((_, i) => watched.includes(i)),
        (outs) => {
          outputs = outs.map((o) => t.own(o.use('scan')));
          cut = t.nodes.length;
          const cts: (Tensor | null)[] = outs.map(() => null);
          carries.forEach((i, k) => (cts[i] = make(dCarries[k])));
          results.forEach((i, k) => (cts[C + i] = make(dResults[k])));
          return cts;
        },
      );
      const gradOf = (i: number): Tensor => pulled.grads[i] ?? zerosLike(make(inputs[i]));
      const list = [
        ...carries.map(gradOf),
        ...constants.map((i, k) => make(sums[k]).add(gradOf(C + X + i))),
        ...slices.map((i) => gradOf(C + i)),
      ];
      grads = list.map((g) => t.own(g.use('scan')));
    }),
  );
  const { nodes, saved } = cutTape(t.nodes, cut, grads, inputs.slice(0, C), loop.checkpoint);
  const xs = inputs.slice(C, C + X);
  const consts = inputs.slice(C + X);
  const base = { device: graph.device, captured: [] };
  return {
    loop,
    forward: closeGraph({ ...base, inputs, nodes: t.nodes.slice(0, cut), outputs: [...outputs, ...saved] }),
    backward: {
      ...base,
      inputs: [...dCarries, ...sums, ...xs, ...saved, ...dResults, ...consts],
      nodes,
      outputs: grads,
    },
    carries,
    results,
    slices,
    constants,
  };
}

/** The nodes of the way back, and the values of the way there that it reads. */
function cutTape(
  nodes: readonly Node[],
  cut: number,
  outputs: readonly Value[],
  carries: readonly Value[],
  checkpoint: boolean,
): { nodes: Node[]; saved: Value[] } {
  const producer = new Map<Value, { node: Node; forward: boolean }>();
  nodes.forEach((node, i) => {
    for (const v of node.outputs) producer.set(v, { node, forward: i < cut });
  });
  const keep = new Set<Node>();
  const saved = new Set<Value>();
  const carry = new Set(carries);
  const visit = (v: Value): void => {
    if (carry.has(v)) saved.add(v);
    const p = producer.get(v);
    if (p === undefined || keep.has(p.node) || saved.has(v)) return;
    const free = p.node.isView || p.node.inputs.length === 0;
    if (p.forward && !free && !checkpoint) {
      saved.add(v);
      return;
    }
    keep.add(p.node);
    p.node.inputs.forEach(visit);
  };
  outputs.forEach(visit);
  return { nodes: nodes.filter((n) => keep.has(n)), saved: [...saved] };
}

/** Runs a loop backwards: cotangents of its outputs to cotangents of its inputs. */
export function gradientLoop(
  { inputs, outputs, cotangents }: VjpCall<ScanAttrs>,
  diff: DiffLoop,
  applyLoop: (loop: Loop, inputs: readonly Tensor[]) => Tensor[],
): (Tensor | null)[] {
  const { loop } = diff;
  const { carries: C, slices: X, length } = loop;
  const own = loop.graph.outputs.length;
  const saved = outputs.slice(own);
  if (cotangents.slice(own).some((c) => c !== null)) return again(inputs, cotangents, diff, applyLoop);
  const ct = (i: number): Tensor => cotangents[i] ?? zerosLike(outputs[i]);
  const like = (t: Tensor): Tensor => create(fillOp, { shape: t.shape, dtype: t.dtype, value: 0 }, t.device);
  const back = applyLoop(
    {
      graph: diff.backward,
      carries: diff.carries.length + diff.constants.length,
      slices: X + saved.length + diff.results.length,
      length,
      reverse: !loop.reverse,
      checkpoint: false,
    },
    [
      ...diff.carries.map(ct),
      ...diff.constants.map((i) => like(inputs[C + X + i])),
      ...inputs.slice(C, C + X),
      ...saved,
      ...diff.results.map((i) => ct(C + i)),
      ...inputs.slice(C + X),
    ],
  );
  const grads: (Tensor | null)[] = inputs.map(() => null);
  let k = 0;
  for (const i of diff.carries) grads[i] = back[k++]!;
  for (const i of diff.constants) grads[C + X + i] = back[k++]!;
  for (const i of diff.slices) grads[C + i] = back[k++]!;
  return grads;
}

/** A gradient through the saved values themselves, as second derivatives take it: the loop with them as results. */
function again(
  inputs: readonly Tensor[],
  cotangents: readonly (Tensor | null)[],
  diff: DiffLoop,
  applyLoop: (loop: Loop, inputs: readonly Tensor[]) => Tensor[],
): (Tensor | null)[] {
  const loop: Loop = { ...diff.loop, graph: diff.forward };
  return pullback(
    'scan',
    (list) => ({ outputs: applyLoop(loop, list), rest: null }),
    inputs,
    inputs.map((t) => isFloat(t.dtype)),
    () => cotangents,
  ).grads;
}
