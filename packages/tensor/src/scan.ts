import { runLoop, loopScratch } from './cpu/scan.js';
import type { LoopAttrs } from './cpu/scan.js';
import { defaultDevice } from './devices.js';
import { apply } from './engine/apply.js';
import type { Aval } from './engine/dtype.js';
import { isFloat } from './engine/dtype.js';
import { OptionError, ShapeError, show } from './engine/errors.js';
import { closeGraph, evalNodes } from './engine/graph.js';
import { normalizeAxis } from './engine/layout.js';
import type { Op } from './engine/op.js';
import { defineOp } from './engine/op.js';
import { costOf, planProgram } from './engine/program.js';
import type { Program } from './engine/program.js';
import { isTracked } from './engine/tape.js';
import type { Graph } from './engine/trace.js';
import type { Node, Value } from './engine/value.js';
import { owned, referenceVjp, trace } from './grad.js';
import { scope } from './scope.js';
import { diffLoop, gradientLoop } from './scan-grad.js';
import type { DiffLoop } from './scan-grad.js';
import { Tensor } from './tensor.js';
import { treeLeaves, treeUnflatten } from './tree.js';

/** A loop whose body is a graph with inputs [carries, slices, constants] and outputs [carries, results]. */
export interface ScanAttrs extends LoopAttrs {
  readonly graph: Graph;
  readonly checkpoint: boolean;
  /** Set when a tape watches: how to go back. Its extra results are behind the body's own. */
  readonly diff: DiffLoop | null;
}

/** A loop over positions as one op; the device runs its body once per step. */
export const scanOp: Op<ScanAttrs> = /* @__PURE__ */ defineOp<ScanAttrs>({
  name: 'scan',
  infer(_, { graph, carries, length }) {
    return graph.outputs.map((v, i): Aval => ({
      shape: i < carries ? v.shape : [length, ...v.shape],
      dtype: v.dtype,
    }));
  },
  scratch: (_, attrs) => loopScratch(attrs),
  cpu: runLoop,
  vjp: (call) => {
    const { diff } = call.attrs;
    // A loop in the body of a loop was recorded before any tape watched: it runs again, watched.
    if (diff === null) return referenceVjp((inputs, attrs) => applyLoop(attrs, inputs), call);
    return gradientLoop(call, diff, applyLoop);
  },
  cost(_, __, { program, length }) {
    const body = programCost(program);
    return { flops: length * body.flops, matmulFlops: length * body.matmulFlops };
  },
});

/** Summed cost of a program's instructions. */
export function programCost(program: Program): { flops: number; matmulFlops: number } {
  let flops = 0;
  let matmulFlops = 0;
  for (const i of program.instructions) {
    const c = costOf(i, program.slots);
    flops += c.flops;
    matmulFlops += c.matmulFlops ?? 0;
  }
  return { flops, matmulFlops };
}

/** A loop before memory is assigned to it. */
export interface Loop {
  readonly graph: Graph;
  readonly carries: number;
  readonly slices: number;
  readonly length: number;
  readonly reverse: boolean;
  readonly checkpoint: boolean;
}

/** Records a loop; under a tape, one that keeps what its gradient needs. Answers with [carries, results]. */
export function applyLoop(loop: Loop, inputs: readonly Tensor[]): Tensor[] {
  const values = inputs.map((t) => owned('scan', t));
  const diff = isTracked(values)
    ? diffLoop(
        loop,
        values.map((v) => isFloat(v.dtype) && isTracked([v])),
      )
    : null;
  const graph = diff?.forward ?? loop.graph;
  const donate = graph.inputs.map((_, i) => i < loop.carries);
  const attrs: ScanAttrs = { ...loop, graph, program: planProgram(graph, donate, loop.carries), diff };
  const outputs = apply(scanOp, inputs, attrs) as Tensor[];
  return outputs.slice(0, loop.graph.outputs.length);
}

/** Options of `scan`. */
export interface ScanOptions {
  /** Time axis of every leaf of `xs` and of the results; default 0. */
  axis?: number;
  /** Number of steps; needed when `xs` has no tensors. */
  length?: number;
  /** From the last position to the first; results stay at their positions. Default false. */
  reverse?: boolean;
  /** Keep only the carries for the backward pass and compute the rest again there. Default false. */
  checkpoint?: boolean;
}

/**
 * A loop over positions whose body is recorded once: `[carry, y_t] = step(carry, x_t)`.
 *
 * Differentiable in the initial carry, in `xs` and in tensors that `step` closes over. One body serves any
 * number of steps; memory beside the results is constant, and with gradients proportional to the steps.
 *
 * @param step   pure function of trees; the carry keeps its structure, shapes and element types
 * @param init   tree, the carry before the first step
 * @param xs     tree of tensors with equal sizes along `axis`, or null with `length`
 * @returns      `[carry after the last step, results stacked along axis]`
 * @throws ShapeError, OptionError
 */
export function scan<C, X, Y>(
  step: (carry: C, x: X) => readonly [C, Y],
  init: C,
  xs: X,
  { axis = 0, length, reverse = false, checkpoint = false }: ScanOptions = {},
): [C, Y] {
  return scope(() => {
    const leaves = treeLeaves(xs);
    const carries = treeLeaves(init);
    const front = leaves.map((x) => toFront(x, axis));
    const T = loopLength(front, leaves, length, axis);
    const device = (front[0] ?? carries[0])?.device ?? defaultDevice();
    const slices = front.map((x) => sliceLike(x));
    const traced = trace(device, (c: C, x: X) => checkCarry(carries, step(c, x)), [
      init,
      treeUnflatten(xs, slices),
    ] as const);
    const { graph, constants } = hoist(traced.graph, carries.length + leaves.length);
    const outputs = applyLoop(
      { graph, carries: carries.length, slices: leaves.length, length: T, reverse, checkpoint },
      [...carries, ...front, ...constants],
    );
    const n = carries.length;
    return traced.rebuild(outputs.map((y, i) => (i < n ? y : fromFront(y, axis)))) as [C, Y];
  });
}

function toFront(x: Tensor, axis: number): Tensor {
  const a = normalizeAxis('scan', axis, x.shape.length);
  return a === 0 ? x : x.transpose([a, ...[...x.shape.keys()].filter((i) => i !== a)]);
}

function fromFront(y: Tensor, axis: number): Tensor {
  const a = axis < 0 ? axis + y.shape.length : axis;
  if (a === 0) return y;
  if (a >= y.shape.length) {
    throw new ShapeError(
      `scan: results must have at least ${a} axes to be stacked along axis ${axis}, got ${show(y.shape.slice(1))}.`,
    );
  }
  const perm = [...y.shape.keys()].slice(1);
  perm.splice(a, 0, 0);
  return y.transpose(perm);
}

/** Stands for one position while the body is recorded; only its shape is looked at. */
function sliceLike(x: Tensor): Tensor {
  const shape = x.shape.slice(1);
  return x.scalar(0).broadcastTo(shape);
}

function loopLength(
  front: readonly Tensor[],
  leaves: readonly Tensor[],
  length: number | undefined,
  axis: number,
): number {
  const T = length ?? front[0]?.shape[0];
  if (T === undefined || !Number.isInteger(T) || T < 0) {
    throw new OptionError(`scan: length must be an integer ≥ 0 when xs has no tensors, got ${length}.`);
  }
  front.forEach((x, i) => {
    if (x.shape[0] !== T) {
      throw new ShapeError(
        `scan: all xs must have ${T} positions along axis ${axis}, got ${show(leaves[i].shape)} (leaf ${i}).`,
      );
    }
  });
  return T;
}

function checkCarry<C, Y>(before: readonly Tensor[], result: readonly [C, Y]): readonly [C, Y] {
  if (!Array.isArray(result) || result.length !== 2) {
    throw new OptionError('scan: step must return [carry, y]. Use null as y when there is none.');
  }
  const after = treeLeaves(result[0]);
  if (after.length !== before.length) {
    throw new ShapeError(
      `scan: the carry must keep its structure, got ${after.length} tensors for ${before.length}.`,
    );
  }
  after.forEach((t, i) => {
    const b = before[i];
    if (
      t.dtype !== b.dtype ||
      t.shape.length !== b.shape.length ||
      t.shape.some((d, k) => d !== b.shape[k])
    ) {
      throw new ShapeError(
        `scan: the carry must keep shapes and element types, leaf ${i} was ${b.dtype} ${show(b.shape)} and became ${t.dtype} ${show(t.shape)}.`,
      );
    }
  });
  return result;
}

/**
 * Takes operations that depend on constants alone out of the body, so that they run once.
 *
 * Views stay inside: they cost nothing there.
 */
function hoist(graph: Graph, args: number): { graph: Graph; constants: Tensor[] } {
  const make = (v: Value): Tensor => new Tensor(v);
  const outer = new Map<Value, Tensor>();
  const invariant = new Set<Value>();
  graph.captured.forEach((v, i) => {
    const inner = graph.inputs[args + i];
    outer.set(inner, make(v));
    invariant.add(inner);
  });
  const moved: Node[] = [];
  for (const node of graph.nodes) {
    if (node.inputs.length === 0 || !node.inputs.every((v) => invariant.has(v))) continue;
    for (const v of node.outputs) invariant.add(v);
    moved.push(node);
  }
  const computed = new Set(moved.filter((n) => !n.isView).flatMap((n) => n.outputs));
  if (computed.size > 0) evalNodes(graph, moved, outer, make);
  // What the rest of the body uses of the invariant part becomes a constant; views are rebuilt inside.
  const hoisted = new Set(moved.filter((n) => !n.isView));
  const pruned = closeGraph({ ...graph, nodes: graph.nodes.filter((n) => !hoisted.has(n)) });
  const used = new Set<Value>(pruned.outputs);
  for (const n of pruned.nodes) for (const v of n.inputs) used.add(v);
  const constants = [...graph.inputs.slice(args), ...computed].filter((v) => used.has(v));
  return {
    graph: { ...pruned, inputs: [...graph.inputs.slice(0, args), ...constants], captured: [] },
    constants: constants.map((v) => outer.get(v)!),
  };
}
