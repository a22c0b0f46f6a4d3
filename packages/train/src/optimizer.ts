import {
  cast,
  full,
  OptionError,
  scope,
  ShapeError,
  stack,
  tensor,
  treeEntries,
  treeFromEntries,
  treeLeaves,
  treeMap,
  where,
  zerosLike,
} from '@seq/tensor';
import type { DType, Tensor, Tree } from '@seq/tensor';
import { constant } from './schedules.js';
import type { Schedule } from './schedules.js';

/** What an optimiser remembers: the number of updates done, and trees shaped like the parameters. */
export interface OptimizerState {
  /** [] i32 */
  readonly step: Tensor;
  readonly [name: string]: Tree;
}

/** Things about one update that are data, so that a compiled update serves them all. */
export interface UpdateOptions {
  /** Used in place of the schedule; a scalar tensor is data, a number is part of the plan. */
  readonly lr?: Tensor | number;
  /** Factor on every gradient, such as that of clipping: [] tensor. */
  readonly gradScale?: Tensor;
  /** [] bool: false leaves parameters and state as they are, bit for bit. */
  readonly enabled?: Tensor;
}

/** An optimiser: a plain value of pure functions on trees. */
export interface Optimizer {
  readonly name: string;
  readonly schedule: Schedule;
  /** State for parameters that were never updated; on their device, in their dtype. */
  init<P>(params: P): OptimizerState;
  /**
   * One update. The arguments stay valid.
   *
   * @param grads  tree with the structure of `params`
   * @throws ShapeError  trees whose tensors differ in name or shape
   */
  update<P>(
    params: P,
    grads: P,
    state: OptimizerState,
    o?: UpdateOptions,
  ): [params: P, state: OptimizerState];
}

/** True or false for every parameter, in a tree of the parameters' structure; see `decayMask` of `@seq/nn`. */
export type DecayMask = (params: Tree) => unknown;

/** A parameter to be updated: `slots` are its tensors in the state, in the order of the rule's `slotNames`. */
interface Parameter {
  readonly p: Tensor;
  readonly g: Tensor;
  readonly slots: readonly Tensor[];
  readonly decays: boolean;
}

/** How one rule updates parameters of one dtype. */
interface Rule {
  readonly name: string;
  readonly slotNames: readonly string[];
  readonly lr: number | Schedule;
  readonly decayMask: DecayMask | undefined;
  /** Answers for each parameter with itself and its slots. */
  apply(parameters: readonly Parameter[], hyper: Tensor): readonly (readonly Tensor[])[];
}

/** Carries a rule over to trees, with the schedule and the count of updates. */
export function optimizer({ name, slotNames, lr, decayMask, apply }: Rule): Optimizer {
  const schedule = typeof lr === 'number' ? constant(lr) : lr;
  return {
    name,
    schedule,

    init: (params) =>
      scope(() => {
        const like = treeLeaves(params)[0];
        const state: OptimizerState & Record<string, Tree> = {
          step: tensor(0, { dtype: 'i32', device: like?.device }),
        };
        for (const slot of slotNames)
          state[slot] = treeMap((p) => (isFloat(p.dtype) ? zerosLike(p) : null), params);
        return state;
      }),

    update: (params, grads, state, { lr: given, gradScale, enabled } = {}) =>
      scope(() => {
        const entries = treeEntries(params);
        const gradients = new Map(treeEntries(grads));
        const slots = slotNames.map((slot) => new Map(treeEntries(state[slot])));
        const decays = flags(name, params, decayMask);
        const next = new Map<string, Tensor>();
        const nextSlots = slotNames.map(() => new Map<string, Tensor>());
        const groups = new Map<DType, [path: string, parameter: Parameter][]>();
        entries.forEach(([path, p], i) => {
          if (!isFloat(p.dtype)) {
            next.set(path, p.alias());
            return;
          }
          const g = found(name, gradients, path, 'grads');
          const own = slots.map((slot, k) => found(name, slot, path, `state.${slotNames[k]}`));
          if (!groups.has(p.dtype)) groups.set(p.dtype, []);
          groups.get(p.dtype)!.push([path, { p, g, slots: own, decays: decays[i] }]);
        });
        for (const [dtype, group] of groups) {
          const { device } = group[0][1].p;
          const scalar = (x: Tensor | number | undefined, otherwise: Tensor | number): Tensor => {
            const value = x ?? otherwise;
            return typeof value === 'number' ? full([], value, { dtype, device }) : cast(value, dtype);
          };
          const hyper = stack([
            scalar(given, schedule.on(state.step, dtype)),
            scalar(state.step.add(1), 1),
            scalar(gradScale, 1),
            scalar(enabled, 1),
          ]);
          const updated = apply(
            group.map(([, parameter]) => parameter),
            hyper,
          );
          group.forEach(([path], i) => {
            const [p1, ...s1] = updated[i];
            next.set(path, p1);
            s1.forEach((s, k) => nextSlots[k].set(path, s));
          });
        }
        const step = state.step.add(1);
        const after: OptimizerState & Record<string, Tree> = {
          step: enabled ? where(enabled, step, state.step) : step,
        };
        slotNames.forEach((slot, k) => (after[slot] = treeFromEntries(state[slot], nextSlots[k])));
        return [treeFromEntries(params, next), after];
      }),
  };
}

/** Only floats are trained; what else a tree holds is passed on. */
function isFloat(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f64' || dtype === 'f16';
}

function found(name: string, tensors: ReadonlyMap<string, Tensor>, path: string, what: string): Tensor {
  const t = tensors.get(path);
  if (t === undefined) {
    throw new ShapeError(
      `${name}.update: ${what} must have the tensors of params, got none at '${path}'. Make both from the same parameters.`,
    );
  }
  return t;
}

/** One boolean per parameter, in the order of `treeEntries`. */
function flags(name: string, params: Tree, mask: DecayMask | undefined): boolean[] {
  const count = treeLeaves(params).length;
  if (mask === undefined) return new Array<boolean>(count).fill(true);
  const list: boolean[] = [];
  const visit = (node: unknown): void => {
    if (typeof node === 'boolean') list.push(node);
    else if (Array.isArray(node)) node.forEach(visit);
    else if (typeof node === 'object' && node !== null) Object.values(node).forEach(visit);
  };
  visit(mask(params));
  if (list.length !== count) {
    throw new OptionError(
      `${name}: decayMask must give one boolean per parameter, got ${list.length} for ${count}. Use decayMask of @seq/nn.`,
    );
  }
  return list;
}

/** Checks a number of an optimiser's options: finite, not below `low`, and below `high`. */
export function inRange(
  where_: string,
  option: string,
  value: number,
  low: number,
  high: number = Infinity,
): void {
  if (!(value >= low && value < high)) {
    const range = high === Infinity ? `≥ ${low}` : `in [${low}, ${high})`;
    throw new OptionError(
      `${where_}: ${option} must be a finite number ${range}, got ${value}. See the option's description for usual values.`,
    );
  }
}
