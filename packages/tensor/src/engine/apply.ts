import type { Tensor } from '../tensor.js';
import type { Device } from '../device.js';
import type { Aval } from './dtype.js';
import { sizeOf } from './dtype.js';
import { DeviceError } from './errors.js';
import type { Op } from './op.js';
import { state, temporaries, withoutTapes } from './state.js';
import { isTracked, recordOnTapes } from './tape.js';
import { newValue, viewOf } from './value.js';
import type { Node, Value } from './value.js';

/**
 * Records one operation and returns handles to its results. Shapes are checked now, work runs later.
 *
 * Answers with an array exactly when the op's `infer` does.
 *
 * @throws what `op.infer` throws; StateError for dead handles; DeviceError for tensors of two devices.
 */
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor | Tensor[] {
  const first = inputs[0];
  return applyOn(first.device, (v) => first.make(v), op, inputs, attrs);
}

/** `apply` for ops that may have no inputs: the device and the handle's class are given. */
export function applyOn<A>(
  device: Device,
  make: (value: Value) => Tensor,
  op: Op<A>,
  inputs: readonly Tensor[],
  attrs: A,
): Tensor | Tensor[] {
  const trace = state.trace;
  const values = inputs.map((x) => {
    const v = x.use(op.name);
    return trace === null ? v : trace.own(v);
  });
  for (let i = 0; i < values.length; i++) {
    if (values[i].storage.device !== device) {
      throw new DeviceError(
        `${op.name}: all tensors must live on one device, got ${device.name} and ${values[i].storage.device.name} (argument ${i}). Create them on the same device.`,
      );
    }
  }

  const inferred = op.infer(values, attrs);
  const many = Array.isArray(inferred);
  const avals = (many ? inferred : [inferred]) as readonly Aval[];

  const layout = op.view?.(values[0], attrs);
  let outputs: Value[];
  if (layout !== undefined) {
    outputs = [viewOf(values[0].storage, layout)];
    if (trace !== null) trace.nodes.push(makeNode(op, attrs, values, outputs, true, false));
  } else {
    const composite =
      op.reference !== undefined && (device.referencesOnly || !device.supports(op, values, attrs));
    if (op.reference !== undefined && (composite || op.vjp === undefined)) {
      const watched = isTracked(values);
      if (composite || watched) {
        const own = watched && op.vjp !== undefined && !device.referencesOnly;
        const run = (): Tensor | readonly Tensor[] => temporaries(() => op.reference!(inputs, attrs));
        const result = own ? withoutTapes(run) : run();
        const list = (many ? result : [result]) as readonly Tensor[];
        if (own) {
          recordOnTapes({ op, attrs, inputs: values, outputs: list.map((t) => t.use(op.name)) });
        }
        return many ? [...list] : list[0];
      }
    }
    if (!device.supports(op, values, attrs)) {
      throw new DeviceError(
        `${op.name}: the device ${device.name} has no kernel for it and the op has no reference. Give the op a kernel for ${device.kind} or a reference.`,
      );
    }
    outputs = avals.map((a) => newValue(device, a, trace));
    // A stack costs more than a small operation: it is kept for plans, which are recorded once, and for what may fail.
    const keepSite = trace !== null || device.keepsSites || op.throws === true;
    const n = makeNode(op, attrs, values, outputs, false, keepSite);
    for (const v of outputs) v.storage.producer = n;
    if (trace !== null) trace.nodes.push(n);
    else device.enqueue(n);
  }
  if (state.tapes.length > 0) recordOnTapes({ op, attrs, inputs: values, outputs });
  return many ? outputs.map(make) : make(outputs[0]);
}

/** `apply` for ops with one result. */
export function apply1<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  return apply(op, inputs, attrs) as Tensor;
}

/** A recorded operation, stamped with the place of the call where that may be asked for. */
export function makeNode(
  op: Op,
  attrs: unknown,
  inputs: readonly Value[],
  outputs: readonly Value[],
  isView: boolean,
  keepSite: boolean,
): Node {
  return { op, attrs, inputs, outputs, isView, site: keepSite ? here() : null, dead: false, done: false };
}

/** The stack at this moment, formatted only when somebody reads it. */
function here(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 12;
  const e = new Error();
  Error.stackTraceLimit = limit;
  return e;
}

/** Elements of a shape rule's answer; for cost formulas. */
export function elements(avals: readonly Aval[]): number {
  let n = 0;
  for (const a of avals) n += sizeOf(a.shape);
  return n;
}
