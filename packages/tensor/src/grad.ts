import { apply1 } from './engine/apply.js';
import { isFloat } from './engine/dtype.js';
import { GradError, show } from './engine/errors.js';
import { closeGraph, evalGraph } from './engine/graph.js';
import type { VjpCall } from './engine/op.js';
import { defineOp } from './engine/op.js';
import type { Op } from './engine/op.js';
import { state, withTrace, withoutTapes } from './engine/state.js';
import type { BackwardTools } from './engine/tape.js';
import { Tape, isTracked, recordOnTapes } from './engine/tape.js';
import type { Graph } from './engine/trace.js';
import { Trace } from './engine/trace.js';
import type { Value } from './engine/value.js';
import { zerosLike, onesLike, create } from './creation.js';
import { fillOp } from './ops/fill.js';
import { stopOp } from './ops/shape.js';
import { scope } from './scope.js';
import { Tensor } from './tensor.js';
import { treeLeaves, treeMap, treeUnflatten } from './tree.js';

const makeTensor = (value: Value): Tensor => new Tensor(value);
const tools: BackwardTools = { make: makeTensor, add: (a, b) => a.add(b), scope };

/** The value of a handle as the recording in progress sees it. */
export function owned(where: string, t: Tensor): Value {
  const v = t.use(where);
  return state.trace === null ? v : state.trace.own(v);
}

/** Runs `f` on fresh aliases of `inputs` under a tape that watches those that are wanted. */
function record<T>(
  where: string,
  inputs: readonly Tensor[],
  needs: readonly boolean[],
  f: (aliases: Tensor[]) => T,
): { tape: Tape; roots: Value[]; result: T } {
  const tape = new Tape();
  const aliases = inputs.map((t) => t.alias());
  const roots = aliases.map((t) => owned(where, t));
  roots.forEach((v, i) => {
    if (needs[i]) tape.watch(v);
  });
  state.tapes = [...state.tapes, tape];
  try {
    return { tape, roots, result: f(aliases) };
  } catch (e) {
    tape.clear();
    throw e;
  } finally {
    state.tapes = state.tapes.filter((t) => t !== tape);
  }
}

/**
 * Gradients of a list of outputs pulled back to inputs: the flat form that the others are made of.
 *
 * `cotangents` may be a function of the outputs. Inputs without influence get null.
 */
export function pullback<T>(
  where: string,
  f: (inputs: Tensor[]) => { outputs: Tensor[]; rest: T },
  inputs: readonly Tensor[],
  needs: readonly boolean[],
  cotangents: (outputs: Tensor[]) => readonly (Tensor | null)[],
): { outputs: Tensor[]; rest: T; grads: (Tensor | null)[] } {
  const { tape, roots, result } = record(where, inputs, needs, f);
  let grads: (Tensor | null)[];
  try {
    const cts = cotangents(result.outputs);
    const pulled = result.outputs.flatMap((t, i) => {
      const ct = cts[i];
      return ct === null || ct === undefined || !isFloat(t.dtype)
        ? []
        : [{ value: owned(where, t), cotangent: ct }];
    });
    grads = tape.backward(pulled, roots, tools);
  } catch (e) {
    tape.clear();
    throw e;
  }
  return { outputs: result.outputs, rest: result.rest, grads };
}

function gradTree<P>(params: P, leaves: readonly Tensor[], grads: readonly (Tensor | null)[]): P {
  return treeUnflatten(
    params,
    leaves.map(
      (t, i) =>
        grads[i] ??
        (isFloat(t.dtype)
          ? zerosLike(t)
          : create(fillOp, { shape: t.shape, dtype: 'f32', value: 0 }, t.device)),
    ),
  );
}

/**
 * The value of a scalar function and its gradient by the first argument.
 *
 * @param f       answers with a scalar loss, or `[loss, aux]` where aux is any tree
 * @param params  tree of tensors; the gradient has its structure (integer leaves: f32 zeros)
 * @param args    passed on, not differentiated
 * @returns       `[loss, gradient]`, or `[[loss, aux], gradient]`
 * @throws GradError when the loss is no float scalar, or an op on the way has no gradient
 */
export function valueAndGrad<P, A extends readonly unknown[], R extends Tensor | readonly [Tensor, unknown]>(
  f: (params: P, ...args: A) => R,
  params: P,
  ...args: A
): [R, P] {
  return scope(() => {
    const leaves = treeLeaves(params);
    const { rest, grads } = pullback(
      'valueAndGrad',
      (aliases) => {
        const result = f(treeUnflatten(params, aliases), ...args);
        const loss = (Array.isArray(result) ? result[0] : result) as Tensor;
        checkLoss(loss);
        return { outputs: [loss], rest: result };
      },
      leaves,
      leaves.map((t) => isFloat(t.dtype)),
      ([loss]) => [onesLike(loss)],
    );
    return [rest, gradTree(params, leaves, grads)];
  });
}

function checkLoss(loss: unknown): asserts loss is Tensor {
  if (!(loss instanceof Tensor)) {
    throw new GradError(`valueAndGrad: f must return a tensor or [tensor, aux], got ${typeof loss}.`);
  }
  if (loss.shape.length !== 0) {
    throw new GradError(
      `valueAndGrad: loss must be a scalar, got ${show(loss.shape)}. Did you mean mean(loss)?`,
    );
  }
  if (!isFloat(loss.dtype)) {
    throw new GradError(`valueAndGrad: loss must be a float, got ${loss.dtype}. Integers have no gradient.`);
  }
}

/** The gradient alone; see `valueAndGrad`. */
export function grad<P, A extends readonly unknown[]>(
  f: (params: P, ...args: A) => Tensor,
  params: P,
  ...args: A
): P {
  return scope(() => valueAndGrad(f, params, ...args)[1]);
}

/**
 * Outputs of a function of several trees, and cotangents pulled back to each of them.
 *
 * @param f           any function of trees
 * @param inputs      list of arguments
 * @param cotangents  tree like the output, or a function of the output that makes one
 * @returns           `[output, gradients]`, one gradient tree per argument
 */
export function vjp<I extends readonly unknown[], R>(
  f: (...inputs: I) => R,
  inputs: I,
  cotangents: R | ((output: R) => R),
): [R, I] {
  return scope(() => {
    const leaves = treeLeaves(inputs);
    let output: R;
    const { rest, grads } = pullback(
      'vjp',
      (aliases) => {
        output = f(...treeUnflatten(inputs, aliases));
        return { outputs: treeLeaves(output), rest: output };
      },
      leaves,
      leaves.map((t) => isFloat(t.dtype)),
      (outputs) => {
        const cts = treeLeaves(
          typeof cotangents === 'function' ? (cotangents as (output: R) => R)(output) : cotangents,
        );
        if (cts.length !== outputs.length) {
          throw new GradError(
            `vjp: one cotangent per output tensor is needed, got ${cts.length} for ${outputs.length}.`,
          );
        }
        cts.forEach((c, i) => {
          const o = outputs[i];
          if (c.shape.length !== o.shape.length || c.shape.some((d, k) => d !== o.shape[k])) {
            throw new GradError(
              `vjp: cotangent ${i} must have its output's shape ${show(o.shape)}, got ${show(c.shape)}.`,
            );
          }
        });
        return cts;
      },
    );
    return [rest, gradTree(inputs, leaves, grads)];
  });
}

/** The same value, through which no gradient flows. */
export function stopGradient(x: Tensor): Tensor {
  return apply1(stopOp, [x], null);
}

/** Gradient rule of an op taken from its reference; for backward ops whose own gradient is rarely needed. */
export function referenceVjp<A>(
  reference: (inputs: readonly Tensor[], attrs: A) => Tensor | readonly Tensor[],
  call: VjpCall<A>,
): (Tensor | null)[] {
  return pullback(
    'reference',
    (inputs) => {
      const out = reference(inputs, call.attrs);
      return { outputs: Array.isArray(out) ? [...(out as Tensor[])] : [out as Tensor], rest: null };
    },
    call.inputs,
    call.needs,
    () => call.cotangents,
  ).grads;
}

const checkpointOp: Op<{ readonly graph: Graph }> = /* @__PURE__ */ defineOp({
  name: 'checkpoint',
  infer: (_, { graph }) => graph.outputs,
  vjp: (call) =>
    pullback(
      'checkpoint',
      (inputs) => ({ outputs: evalGraph(call.attrs.graph, inputs, makeTensor), rest: null }),
      call.inputs,
      call.needs,
      () => call.cotangents,
    ).grads,
});

/**
 * `f(...args)` whose intermediate values are not kept for the backward pass but computed again there.
 *
 * Closures over tensors are allowed and differentiated.
 */
export function checkpoint<A extends readonly unknown[], R>(f: (...args: A) => R, ...args: A): R {
  return scope(() => {
    const leaves = treeLeaves(args);
    const first = leaves[0];
    if (first === undefined || state.tapes.length === 0) return f(...args);
    const traced = trace(first.device, f, args);
    const inputs = [...leaves, ...traced.graph.captured.map(makeTensor)];
    const values = inputs.map((t) => owned('checkpoint', t));
    const outputs = withoutTapes(() => evalGraph(traced.graph, inputs, makeTensor)).map((t) => t.alias());
    if (isTracked(values)) {
      recordOnTapes({
        op: checkpointOp as Op,
        attrs: { graph: traced.graph },
        inputs: values,
        outputs: outputs.map((t) => owned('checkpoint', t)),
      });
    }
    return traced.rebuild(outputs);
  });
}

/** A function of trees recorded as a graph, with what is needed to put its output tree together again. */
export interface Traced<R> {
  readonly graph: Graph;
  rebuild(outputs: readonly Tensor[]): R;
}

/** Records `f` on placeholders for the tensors in `args`; other leaves are passed as they are. */
export function trace<A extends readonly unknown[], R>(
  device: Tensor['device'],
  f: (...args: A) => R,
  args: A,
): Traced<R> {
  const t = new Trace(device, state.trace);
  let traced: Traced<R>;
  withTrace(t, () =>
    scope(() => {
      const placeholders: Value[] = [];
      const inner = treeMap((x) => {
        const v = t.placeholder(x);
        placeholders.push(v);
        return new Tensor(v);
      }, args);
      const result = f(...inner);
      const outputs = treeLeaves(result).map((x) => t.own(x.use('trace')));
      const graph = closeGraph(t.close(placeholders, outputs));
      // Only the structure of the output is kept; its tensors are placeholders.
      const skeleton = treeMap((x) => x, result);
      traced = { graph, rebuild: (list) => treeUnflatten(skeleton, list) };
    }),
  );
  return traced!;
}
