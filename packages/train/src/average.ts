import { cast, cloneTree, OptionError, scope, treeEntries, treeFromEntries, where } from '@seq/tensor';
import type { Tensor, Tree } from '@seq/tensor';
import type { Optimizer, OptimizerState } from './optimizer.js';
import { inRange } from './optimizer.js';

/** Options of `weightAverage`. */
export interface WeightAverageOptions {
  /** Share of the average that stays at each update, in [0, 1); usual 0.99 … 0.9999. */
  readonly decay?: number;
  /** How slowly the share rises to `decay`: a number ≥ 1; 1 uses `decay` from the first update on. */
  readonly rampUp?: number;
}

/** An optimiser that also keeps a running mean of the parameters. */
export interface AveragingOptimizer extends Optimizer {
  /**
   * The averaged parameters, for evaluation and use.
   *
   * They are the state's own tensors: valid until the state is updated, and not to be disposed; `cloneTree` keeps them.
   *
   * @throws OptionError  a state of another optimiser
   */
  average<P>(params: P, state: OptimizerState): P;
}

/**
 * Keeps an exponential moving average of the parameters beside an optimiser; training itself is not changed.
 *
 *   a_0 = p_0,   a_t = a_{t−1} + (1 − d_t)(p_t − a_{t−1}),   d_t = min(decay, t / (t − 1 + rampUp))
 *
 * The average is part of the optimiser's state: compiled steps update it in place, checkpoints carry it, and an
 * update that is skipped leaves it alone. Parameters that are not floats are taken as they are.
 *
 * @returns an optimiser with the inner state and `average`, a tree shaped like the parameters
 * @throws OptionError  decay outside [0, 1), rampUp < 1
 * @see Polyak, Juditsky 1992, doi:10.1137/0330046; the exponential form: Tarvainen, Valpola 2017, arXiv:1703.01780, eq. (2)
 */
export function weightAverage(
  inner: Optimizer,
  { decay = 0.999, rampUp = 10 }: WeightAverageOptions = {},
): AveragingOptimizer {
  inRange('weightAverage', 'decay', decay, 0, 1);
  inRange('weightAverage', 'rampUp', rampUp, 1);
  return {
    name: inner.name,
    schedule: inner.schedule,
    init: (params) => ({ ...inner.init(params), average: cloneTree(params) as Tree }),

    update: (params, grads, state, o = {}) =>
      scope(() => {
        const [next, after] = inner.update(params, grads, state, o);
        const t = cast(state.step, 'f32').add(1);
        const kept = t.div(t.add(rampUp - 1)).minimum(decay);
        const moved = kept.neg().add(1); // 1 − d_t
        const fresh = new Map(treeEntries(next));
        const average = treeEntries(averageIn(state)).map(([path, a]): [string, Tensor] => {
          const p = fresh.get(path)!;
          if (p.dtype !== 'f32' && p.dtype !== 'f64') return [path, p.alias()];
          const b = a.add(p.sub(a).mul(cast(moved, p.dtype)));
          return [path, o.enabled ? where(o.enabled, b, a) : b];
        });
        return [next, { ...after, average: treeFromEntries(state['average'], new Map(average)) }];
      }),

    average: (params, state) => treeFromEntries(params, new Map(treeEntries(averageIn(state)))),
  };
}

function averageIn(state: OptimizerState): Tree {
  const average = state['average'];
  if (average === undefined || average === null) {
    throw new OptionError(
      `weightAverage: the state must hold an average, got ${Object.keys(state).join(', ')}. Make it with the init of this optimiser.`,
    );
  }
  return average;
}
