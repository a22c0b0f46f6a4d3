// What a mixer checks before it runs. Messages name the mechanism, the rule, the caller's values and a way out.
import { DTypeError, isFloat, OptionError, ShapeError, show, treeEntries } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { CostAt, MixerSpec, RunOption, RunOptions } from './mixer.js';

/** Checks a spec; answers the mechanism's short name, `gru` of `seq/gru`. */
export function checkSpec(spec: MixerSpec): string {
  const name = spec.kind.slice(spec.kind.lastIndexOf('/') + 1);
  if (name === '') {
    throw new OptionError(
      `defineMixer: spec.kind must name owner and mechanism, got '${spec.kind}'. Write 'seq/gru', say.`,
    );
  }
  if (!Number.isInteger(spec.dModel) || spec.dModel < 1) {
    throw new OptionError(`${name}: dModel must be a positive integer, got ${spec.dModel}.`);
  }
  return name;
}

/** Checks the input of `forward` and `prefill`. */
export function checkSequence(at: string, dModel: number, x: Tensor): { B: number; T: number } {
  const [B, T, C] = x.shape;
  if (x.ndim !== 3 || C !== dModel) {
    const want = `[B, T, C] = [${x.shape[0] ?? 'B'}, ${x.ndim === 3 ? T : 'T'}, ${dModel}]`;
    const form = at.slice(at.lastIndexOf('.') + 1);
    const remedy =
      x.ndim === 2
        ? `${form} takes positions along axis 1; for one token without a time axis use step.`
        : `The last axis is dModel.`;
    throw new ShapeError(`${at}: x must be ${want}, got ${show(x.shape)}. ${remedy}`);
  }
  checkFloat(at, x);
  return { B, T };
}

/** Checks the input of `step`. */
export function checkToken(at: string, dModel: number, x: Tensor): { B: number } {
  const [B, C] = x.shape;
  if (x.ndim !== 2 || C !== dModel) {
    const remedy =
      x.ndim === 3
        ? 'step takes one token without a time axis; for several use prefill.'
        : 'The last axis is dModel.';
    throw new ShapeError(
      `${at}: x must be [B, C] = [${B ?? 'B'}, ${dModel}], got ${show(x.shape)}. ${remedy}`,
    );
  }
  checkFloat(at, x);
  return { B };
}

function checkFloat(at: string, x: Tensor): void {
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`${at}: x must be floating, got ${x.dtype}. Embed token ids first.`);
  }
}

/** Checks what the mechanism answered: a mixer keeps the shape and dtype of x. */
export function checkOutput(at: string, y: Tensor, x: Tensor): void {
  if (y.ndim !== x.ndim || y.shape.some((n, i) => n !== x.shape[i])) {
    throw new ShapeError(
      `${at}: y must have the shape of x, ${show(x.shape)}, the mechanism returned ${show(y.shape)}.`,
    );
  }
  if (y.dtype !== x.dtype) {
    throw new DTypeError(`${at}: y must have the dtype of x, ${x.dtype}, the mechanism returned ${y.dtype}.`);
  }
}

/** Checks the batch of a state; a dead one has a better message of its own, when it is taken. */
export function checkState(at: string, state: unknown, B: number): void {
  if (typeof state !== 'object' || state === null) {
    throw new ShapeError(
      `${at}: a state is needed as third argument, got ${String(state)}. Make one with initState(${B}).`,
    );
  }
  for (const [path, leaf] of treeEntries(state)) {
    if (leaf.ndim > 0 && leaf.shape[0] !== B && !leaf.disposed) {
      throw new ShapeError(
        `${at}: the state must have the batch of x, B = ${B}, got ${path} ${show(leaf.shape)}. Make it with initState(${B}).`,
      );
    }
  }
}

/** Checks that rows of a state can be chosen one by one. */
export function checkRowState(at: string, state: unknown, option: RunOption): void {
  for (const [path, leaf] of treeEntries(state)) {
    if (leaf.ndim === 0) {
      throw new OptionError(
        `${at}: ${option} need a state whose leaves are all [B, …], got the scalar ${path} shared by all rows. Run rows of one length together, without ${option}.`,
      );
    }
  }
}

/** Checks run options; `refuse` are those that must be honoured by the definition itself. `lead` is `[B, T]` or `[B]`. */
export function checkOptions(
  at: string,
  o: RunOptions,
  honours: readonly RunOption[],
  lead: readonly number[],
  refuse: readonly RunOption[],
): void {
  for (const name of refuse) {
    if (o[name] && !honours.includes(name)) {
      throw new OptionError(
        `${at}: ${name} is not honoured by this mixer (it honours ${honours.join(', ') || 'none'}). Leave it out, or choose a mixer that does.`,
      );
    }
  }
  const letters = lead.length === 2 ? '[B, T]' : '[B]';
  if (o.lengths) expect(at, 'lengths', o.lengths, '[B]', lead.slice(0, 1), 'i32');
  if (o.resets) expect(at, 'resets', o.resets, letters, lead, 'bool');
}

function expect(
  at: string,
  name: string,
  t: Tensor,
  letters: string,
  shape: readonly number[],
  dtype: string,
): void {
  if (t.ndim !== shape.length || t.shape.some((n, i) => n !== shape[i])) {
    throw new ShapeError(`${at}: ${name} must be ${letters} = ${show(shape)}, got ${show(t.shape)}.`);
  }
  if (t.dtype !== dtype) {
    throw new DTypeError(`${at}: ${name} must be ${dtype}, got ${t.dtype}. Use cast(${name}, '${dtype}').`);
  }
}

/** Checks a batch size. */
export function checkBatch(name: string, batch: number): void {
  if (!Number.isInteger(batch) || batch < 0) {
    throw new OptionError(
      `${name}.initState: batch must be a whole number, got ${batch}. Pass B, the first axis of x.`,
    );
  }
}

/** Checks where a cost is asked for; a step always has T = 1. */
export function checkCost(name: string, at: CostAt): CostAt {
  const { B, T, form, past } = at;
  for (const [letter, n] of [
    ['B', B],
    ['T', form === 'step' ? 1 : T],
    ['past', past ?? 0],
  ] as const) {
    if (!Number.isInteger(n) || n < 0) {
      throw new OptionError(`${name}.cost: ${letter} must be a whole number, got ${n}.`);
    }
  }
  if (form !== 'forward' && form !== 'prefill' && form !== 'step') {
    throw new OptionError(`${name}.cost: form must be forward, prefill or step, got ${String(form)}.`);
  }
  return form === 'step' ? { ...at, T: 1 } : at;
}
