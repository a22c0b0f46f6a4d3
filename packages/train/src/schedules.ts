import { cast, clip, cos, gather, lt, minimum, mod, OptionError, tensor, where } from '@seq/tensor';
import type { DType, Tensor } from '@seq/tensor';

/**
 * A learning rate for every update.
 *
 * `at` and `on` are the same function, on a number and as operations: a compiled training step contains
 * `on`, so one plan serves all steps.
 */
export interface Schedule {
  /** Learning rate of update `step`; the first is 0. */
  at(step: number): number;
  /** The same for `step` [] i32, as a scalar tensor of `dtype`. */
  on(step: Tensor, dtype: DType): Tensor;
}

/** Options of `constant`. */
export interface ConstantOptions {
  /** Updates over which the rate rises from peak/warmup to peak. */
  readonly warmup?: number;
}

/**
 * The same learning rate for all updates, after an optional linear warm-up.
 *
 *   lr_t = lr · min(1, (t + 1) / warmup)
 *
 * @throws OptionError  a negative or infinite rate, a warm-up that is no integer ≥ 0
 */
export function constant(lr: number, { warmup = 0 }: ConstantOptions = {}): Schedule {
  rate('constant', 'lr', lr);
  count('constant', 'warmup', warmup, 0);
  return {
    at: (step) => (step < warmup ? (lr * (step + 1)) / warmup : lr),
    on: (step, dtype) => {
      const t = cast(step, dtype);
      const rising = warmup > 0 ? minimum(t.add(1).mul(1 / warmup), 1) : t.mul(0).add(1);
      return rising.mul(lr);
    },
  };
}

/** Options of `cosine`. */
export interface CosineOptions {
  /** Learning rate after the warm-up. */
  readonly peak: number;
  /** Updates in all, warm-up included; later ones stay at `floor`. */
  readonly total: number;
  /** Updates over which the rate rises from peak/warmup to peak. */
  readonly warmup?: number;
  /** Learning rate at the end. */
  readonly floor?: number;
}

/**
 * Linear warm-up, then half a cosine wave down.
 *
 *   lr_t = peak · (t + 1) / warmup                                            t < warmup
 *   lr_t = floor + (peak − floor) · (1 + cos(π (t − warmup) / (total − warmup))) / 2   until total
 *   lr_t = floor                                                              from total on
 *
 * @throws OptionError  rates that are negative or infinite, floor > peak, counts that are no integers, total ≤ warmup
 * @see Loshchilov, Hutter 2017, arXiv:1608.03983, eq. (5)
 */
export function cosine({ peak, total, warmup = 0, floor = 0 }: CosineOptions): Schedule {
  peakAndFloor('cosine', peak, floor);
  warmupAndTotal('cosine', warmup, total);
  const length = total - warmup;
  return {
    at: (step) => {
      if (step < warmup) return (peak * (step + 1)) / warmup;
      const done = Math.min((step - warmup) / length, 1);
      return floor + ((peak - floor) * (1 + Math.cos(Math.PI * done))) / 2;
    },
    on: (step, dtype) => {
      const t = cast(step, dtype);
      const done = clip(t.sub(warmup).div(length), 0, 1);
      const falling = cos(done.mul(Math.PI))
        .add(1)
        .mul((peak - floor) / 2)
        .add(floor);
      if (warmup === 0) return falling;
      return where(lt(step, warmup), t.add(1).mul(peak / warmup), falling);
    },
  };
}

/** Options of `linear`. */
export interface LinearOptions {
  /** Learning rate after the warm-up. */
  readonly peak: number;
  /** Updates in all, warm-up included; later ones stay at `floor`. */
  readonly total: number;
  /** Updates over which the rate rises from peak/warmup to peak. */
  readonly warmup?: number;
  /** Learning rate at the end. */
  readonly floor?: number;
}

/**
 * Linear warm-up, then a straight line down.
 *
 *   lr_t = peak · (t + 1) / warmup                                            t < warmup
 *   lr_t = peak − (peak − floor) · (t − warmup) / (total − warmup)            until total
 *   lr_t = floor                                                              from total on
 *
 * @throws OptionError  rates that are negative or infinite, floor > peak, counts that are no integers, total ≤ warmup
 * @see Vaswani et al. 2017, arXiv:1706.03762, eq. (3) for the warm-up; Devlin et al. 2019, arXiv:1810.04805, appendix A.2
 */
export function linear({ peak, total, warmup = 0, floor = 0 }: LinearOptions): Schedule {
  peakAndFloor('linear', peak, floor);
  warmupAndTotal('linear', warmup, total);
  return trapezoid(peak, floor, warmup, warmup, total);
}

/** Options of `wsd`. */
export interface WsdOptions extends LinearOptions {
  /** Updates of the descent at the end, of `total`. */
  readonly decay: number;
}

/**
 * Warm-up, stable, decay: a straight line up, a plateau, a straight line down.
 *
 *   lr_t = peak · (t + 1) / warmup                                            t < warmup
 *   lr_t = peak                                                               t < total − decay
 *   lr_t = peak − (peak − floor) · (t − (total − decay)) / decay              until total
 *   lr_t = floor                                                              from total on
 *
 * The plateau does not depend on `total`: a run can be prolonged from a checkpoint made before the descent.
 *
 * @throws OptionError  rates that are negative or infinite, floor > peak, counts that are no integers, decay < 1,
 *                      warmup + decay > total
 * @see Hu et al. 2024, arXiv:2404.06395, eq. (1); the straight descent: Hägele et al. 2024, arXiv:2405.18392, section 3
 */
export function wsd({ peak, total, decay, warmup = 0, floor = 0 }: WsdOptions): Schedule {
  peakAndFloor('wsd', peak, floor);
  warmupAndTotal('wsd', warmup, total);
  count('wsd', 'decay', decay, 1);
  if (warmup + decay > total) {
    throw new OptionError(
      `wsd: total counts warm-up and decay and must hold both, got total ${total}, warmup ${warmup} and decay ${decay}. Raise total or lower one of them.`,
    );
  }
  return trapezoid(peak, floor, warmup, total - decay, total);
}

/** Up until `warmup`, level until `turn`, down until `total`, then level. */
function trapezoid(peak: number, floor: number, warmup: number, turn: number, total: number): Schedule {
  return {
    at: (step) => {
      if (step < warmup) return (peak * (step + 1)) / warmup;
      return peak - (peak - floor) * Math.min(Math.max((step - turn) / (total - turn), 0), 1);
    },
    on: (step, dtype) => {
      const t = cast(step, dtype);
      const done = clip(t.sub(turn).div(total - turn), 0, 1);
      const falling = done.mul(floor - peak).add(peak);
      if (warmup === 0) return falling;
      return where(lt(step, warmup), t.add(1).mul(peak / warmup), falling);
    },
  };
}

/** Options of `cosineAnnealing`. */
export interface CosineAnnealingOptions {
  /** Learning rate at the start. */
  readonly initial: number;
  /** Updates of half a wave: the rate is `floor` at `halfPeriod` and `initial` again at twice that. */
  readonly halfPeriod: number;
  readonly floor?: number;
}

/**
 * A cosine wave without end, as PyTorch's CosineAnnealingLR (`T_max` = halfPeriod, `eta_min` = floor).
 *
 *   lr_t = floor + (initial − floor) · (1 + cos(π t / halfPeriod)) / 2
 *
 * @throws OptionError  rates that are negative or infinite, a half period that is no integer ≥ 1
 */
export function cosineAnnealing({ initial, halfPeriod, floor = 0 }: CosineAnnealingOptions): Schedule {
  rate('cosineAnnealing', 'initial', initial);
  rate('cosineAnnealing', 'floor', floor);
  count('cosineAnnealing', 'halfPeriod', halfPeriod, 1);
  return {
    at: (step) => floor + ((initial - floor) * (1 + Math.cos((Math.PI * step) / halfPeriod))) / 2,
    on: (step, dtype) => {
      const phase = cast(mod(step, 2 * halfPeriod), dtype).mul(Math.PI / halfPeriod);
      return cos(phase)
        .add(1)
        .mul((initial - floor) / 2)
        .add(floor);
    },
  };
}

/**
 * Any function of the update's number, tabulated for updates 0 … total − 1; later ones keep the last value.
 *
 * PyTorch's `LambdaLR(optimizer, factor)` over a base rate is `tabulated((t) => base * factor(t), { total })`.
 *
 * @throws OptionError  a total that is no integer ≥ 1, a value that is negative or no finite number
 */
export function tabulated(f: (step: number) => number, { total }: { total: number }): Schedule {
  count('tabulated', 'total', total, 1);
  const values = Float64Array.from({ length: total }, (_, step) => f(step));
  values.forEach((value, step) => rate('tabulated', `f(${step})`, value));
  return {
    at: (step) => values[Math.min(step, total - 1)],
    on: (step, dtype) => {
      const table = tensor(dtype === 'f64' ? values : Float32Array.from(values), {
        device: step.device,
        dtype,
      });
      return gather(table, minimum(step, total - 1), 0);
    },
  };
}

function peakAndFloor(where_: string, peak: number, floor: number): void {
  rate(where_, 'peak', peak);
  rate(where_, 'floor', floor);
  if (floor > peak)
    throw new OptionError(
      `${where_}: floor must not exceed peak, got ${floor} and ${peak}. Exchange them or lower the floor.`,
    );
}

function warmupAndTotal(where_: string, warmup: number, total: number): void {
  count(where_, 'warmup', warmup, 0);
  count(where_, 'total', total, 1);
  if (total <= warmup) {
    throw new OptionError(
      `${where_}: total counts the warm-up and must exceed it, got total ${total} and warmup ${warmup}. Raise total or lower warmup.`,
    );
  }
}

function rate(where_: string, name: string, value: number): void {
  if (!(value >= 0 && value < Infinity)) {
    throw new OptionError(
      `${where_}: ${name} must be a finite number ≥ 0, got ${value}. Learning rates are usually 1e-5 … 1.`,
    );
  }
}

function count(where_: string, name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new OptionError(
      `${where_}: ${name} must be an integer ≥ ${least}, got ${value}. It counts updates.`,
    );
  }
}
