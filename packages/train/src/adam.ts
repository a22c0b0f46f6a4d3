import { apply } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { adamOp } from './optimizer-ops.js';
import { inRange, optimizer } from './optimizer.js';
import type { DecayMask, Optimizer } from './optimizer.js';
import type { Schedule } from './schedules.js';

/** Options of `adamw` and `adam`; names and defaults are PyTorch's. */
export interface AdamOptions {
  /** Learning rate, or a schedule of it; usual 1e-4 … 1e-2. */
  readonly lr?: number | Schedule;
  /** Decay of the running mean of g and of g², each in [0, 1). */
  readonly betas?: readonly [number, number];
  /** Added to the root of the mean square. */
  readonly eps?: number;
  readonly weightDecay?: number;
  /** Which parameters decay; default all. `(p) => decayMask(p, noDecay)` or `lm.decayMask` spare vectors. */
  readonly decayMask?: DecayMask;
  /** Divide by the largest mean square so far instead of the present one. */
  readonly amsgrad?: boolean;
  /** Climb instead of descend. */
  readonly maximize?: boolean;
}

/**
 * AdamW: Adam with weight decay apart from the gradient.
 *
 *   m_t = β₁ m + (1 − β₁) g,   v_t = β₂ v + (1 − β₂) g²
 *   p_t = (1 − lr λ) p − lr · (m_t / (1 − β₁ᵗ)) / (√(v_t / (1 − β₂ᵗ)) + ε)
 *
 * @returns an optimiser with state { step, m, v } and vMax with `amsgrad`
 * @throws OptionError  options out of range
 * @see Loshchilov, Hutter 2019, arXiv:1711.05101, algorithm 2; AMSGrad: Reddi et al. 2018, algorithm 2
 */
export function adamw({ weightDecay = 0.01, ...options }: AdamOptions = {}): Optimizer {
  return adamLike('adamw', true, { weightDecay, ...options });
}

/**
 * Adam: as AdamW, but weight decay is added to the gradient: g + λ p.
 *
 * @throws OptionError  options out of range
 * @see Kingma, Ba 2015, arXiv:1412.6980, algorithm 1
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return adamLike('adam', false, options);
}

function adamLike(
  name: string,
  decoupled: boolean,
  {
    lr = 1e-3,
    betas = [0.9, 0.999],
    eps = 1e-8,
    weightDecay = 0,
    decayMask,
    amsgrad = false,
    maximize = false,
  }: AdamOptions,
): Optimizer {
  const [beta1, beta2] = betas;
  if (typeof lr === 'number') inRange(name, 'lr', lr, 0);
  inRange(name, 'betas[0]', beta1, 0, 1);
  inRange(name, 'betas[1]', beta2, 0, 1);
  inRange(name, 'eps', eps, 0);
  inRange(name, 'weightDecay', weightDecay, 0);
  return optimizer({
    name,
    slotNames: amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v'],
    lr,
    decayMask,
    apply(parameters, hyper) {
      const inputs = parameters.flatMap(({ p, g, slots }) => [p, g, ...slots]);
      const outputs = apply(adamOp(parameters.length, amsgrad), [...inputs, hyper], {
        beta1,
        beta2,
        eps,
        weightDecay: parameters.map(({ decays }) => (decays ? weightDecay : 0)),
        decoupled,
        maximize,
      }) as Tensor[];
      const each = amsgrad ? 4 : 3;
      return parameters.map((_, k) => outputs.slice(k * each, (k + 1) * each));
    },
  });
}
