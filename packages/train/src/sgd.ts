import { apply, OptionError } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { sgdOp } from './optimizer-ops.js';
import { inRange, optimizer } from './optimizer.js';
import type { DecayMask, Optimizer } from './optimizer.js';
import type { Schedule } from './schedules.js';

/** Options of `sgd`; names and defaults are PyTorch's. */
export interface SgdOptions {
  /** Learning rate, or a schedule of it; usual 1e-2 … 1. */
  readonly lr?: number | Schedule;
  /** Share of the last move that is kept, in [0, 1). */
  readonly momentum?: number;
  /** Share of the gradient that is kept out of the momentum, in [0, 1]; the first update takes the whole gradient. */
  readonly dampening?: number;
  /** Look ahead along the momentum; needs momentum > 0 and dampening 0. */
  readonly nesterov?: boolean;
  /** λ of λ p, added to the gradient. */
  readonly weightDecay?: number;
  /** Which parameters decay; default all. */
  readonly decayMask?: DecayMask;
  /** Climb instead of descend. */
  readonly maximize?: boolean;
}

/**
 * Stochastic gradient descent.
 *
 *   d = g + λ p;   b_1 = d,  b_t = μ b + (1 − τ) d;   p_t = p − lr · (nesterov ? d + μ b_t : b_t)
 *
 * @returns an optimiser with state { step } and b with momentum
 * @throws OptionError  options out of range, nesterov without momentum or with dampening
 * @see Sutskever et al. 2013, ICML (momentum and Nesterov's form, with the learning rate outside b)
 */
export function sgd({
  lr = 1e-3,
  momentum = 0,
  dampening = 0,
  nesterov = false,
  weightDecay = 0,
  decayMask,
  maximize = false,
}: SgdOptions = {}): Optimizer {
  if (typeof lr === 'number') inRange('sgd', 'lr', lr, 0);
  inRange('sgd', 'momentum', momentum, 0);
  inRange('sgd', 'dampening', dampening, 0);
  inRange('sgd', 'weightDecay', weightDecay, 0);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new OptionError(
      `sgd: nesterov needs momentum > 0 and dampening 0, got ${momentum} and ${dampening}. Set momentum: 0.9 and leave dampening out.`,
    );
  }
  return optimizer({
    name: 'sgd',
    slotNames: momentum > 0 ? ['b'] : [],
    lr,
    decayMask,
    apply: (parameters, hyper) =>
      parameters.map(({ p, g, slots, decays }) => {
        const attrs = { momentum, dampening, nesterov, weightDecay: decays ? weightDecay : 0, maximize };
        return apply(sgdOp, [p, g, ...slots, hyper], attrs) as Tensor[];
      }),
  });
}
