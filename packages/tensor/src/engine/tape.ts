import type { Tensor } from '../tensor.js';
import { isFloat } from './dtype.js';
import { GradError, show } from './errors.js';
import type { Op } from './op.js';
import { state } from './state.js';
import type { Value } from './value.js';

interface Entry {
  readonly op: Op;
  readonly attrs: unknown;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** What the backward pass needs of the layers above. */
export interface BackwardTools {
  make(value: Value): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  scope<T>(f: () => T): T;
}

/** Remembers the operations that depend on watched values, and what they need to be differentiated. */
export class Tape {
  readonly #tracked = new Set<Value>();
  readonly #entries: Entry[] = [];

  watch(value: Value): void {
    this.#tracked.add(value);
  }

  tracks(value: Value): boolean {
    return this.#tracked.has(value);
  }

  record(entry: Entry): void {
    if (!entry.inputs.some((v) => this.#tracked.has(v))) return;
    let any = false;
    for (const v of entry.outputs) {
      if (!isFloat(v.dtype)) continue;
      this.#tracked.add(v);
      any = true;
    }
    if (!any) return;
    for (const v of entry.inputs) v.storage.retain();
    for (const v of entry.outputs) v.storage.retain();
    this.#entries.push(entry);
  }

  /** Lets go of everything; needed when the backward pass is not reached. */
  clear(): void {
    while (this.#entries.length > 0) this.#pop();
    this.#tracked.clear();
  }

  /**
   * Pulls cotangents of `outputs` back to `roots`, using the tape up.
   *
   * The rules are made of operations, so outer tapes see them and can differentiate again.
   */
  backward(
    outputs: readonly { value: Value; cotangent: Tensor }[],
    roots: readonly Value[],
    { make, add, scope }: BackwardTools,
  ): (Tensor | null)[] {
    // Every handle in the map is owned by it, so that it can be disposed when it has been used.
    const cotangents = new Map<Value, Tensor>();
    const accumulate = (value: Value, ct: Tensor): void => {
      const before = cotangents.get(value);
      if (before === undefined) cotangents.set(value, ct);
      else {
        cotangents.set(value, add(before, ct));
        before.dispose();
        ct.dispose();
      }
    };
    for (const { value, cotangent } of outputs) {
      if (this.#tracked.has(value)) accumulate(value, make(cotangent.use('cotangent')));
    }
    const isRoot = new Set(roots);
    try {
      while (this.#entries.length > 0) {
        const entry = this.#entries[this.#entries.length - 1];
        const { op, attrs, inputs, outputs: outs } = entry;
        const cts = outs.map((v) => cotangents.get(v) ?? null);
        if (cts.some((c) => c !== null)) {
          if (op.vjp === undefined) {
            throw new GradError(
              `${op.name}: this operation has no gradient. Use stopGradient() on its input, or give the op a vjp.`,
            );
          }
          const needs = inputs.map((v) => isFloat(v.dtype) && this.#tracked.has(v));
          const vjp = op.vjp;
          const grads = scope(() =>
            vjp({ inputs: inputs.map(make), outputs: outs.map(make), cotangents: cts, attrs, needs }).map(
              (g, i) => (needs[i] && g ? make(g.use(op.name)) : null),
            ),
          );
          inputs.forEach((v, i) => {
            const g = grads[i];
            if (!needs[i] || g === null || g === undefined) return;
            if (g.shape.length !== v.shape.length || g.shape.some((d, k) => d !== v.shape[k])) {
              throw new GradError(
                `${op.name}: the gradient of input ${i} must have its shape ${show(v.shape)}, got ${show(g.shape)}. The op's vjp is wrong.`,
              );
            }
            if (g.dtype !== v.dtype) {
              throw new GradError(
                `${op.name}: the gradient of input ${i} must be ${v.dtype}, got ${g.dtype}. The op's vjp is wrong.`,
              );
            }
            accumulate(v, g);
          });
        }
        for (const v of outs) {
          if (isRoot.has(v)) continue;
          cotangents.get(v)?.dispose();
          cotangents.delete(v);
        }
        this.#pop();
      }
    } finally {
      this.clear();
    }
    return roots.map((v) => cotangents.get(v) ?? null);
  }

  #pop(): void {
    const entry = this.#entries.pop()!;
    for (const v of entry.inputs) v.storage.release();
    for (const v of entry.outputs) v.storage.release();
  }
}

/** Shows an operation to every tape that watches. */
export function recordOnTapes(entry: Entry): void {
  for (const tape of state.tapes) tape.record(entry);
}

/** True when some tape watches one of the values. */
export function isTracked(values: readonly Value[]): boolean {
  return state.tapes.some((tape) => values.some((v) => tape.tracks(v)));
}
