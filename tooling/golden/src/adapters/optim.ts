import { at, clip, stack, tensor } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { adam, adamw, clipByGlobalNorm, constant, cosineAnnealing, sgd } from '@seq/train';
import type { Optimizer, OptimizerState, Schedule } from '@seq/train';
import { Unsupported } from '../adapter.js';
import type { Adapter, Options } from '../adapter.js';

/** The schedule of a case over its number of steps S. */
function scheduleOf(o: Options, lr: number): (S: number) => Schedule {
  const kind = o.text('schedule', null);
  if (kind === null || kind === 'constant') return () => constant(lr);
  if (kind === 'cosine') {
    // CosineAnnealingLR down to a tenth of lr at the end of the run, unless the case says otherwise.
    const halfPeriod = o.number('T_max', NaN);
    const floor = o.number('eta_min', lr / 10);
    return (S) =>
      cosineAnnealing({ initial: lr, halfPeriod: Number.isNaN(halfPeriod) ? S : halfPeriod, floor });
  }
  throw new Unsupported(`option schedule is "${kind}", known are null, constant and cosine`);
}

/** The optimiser of a case under torch's names and defaults. */
function optimizerOf(o: Options, kind: string | null): (lr: Schedule) => Optimizer {
  const maximize = o.flag('maximize', false);
  if (kind === 'SGD') {
    const settings = {
      momentum: o.number('momentum', 0),
      dampening: o.number('dampening', 0),
      nesterov: o.flag('nesterov', false),
      weightDecay: o.number('weight_decay', 0),
      maximize,
    };
    return (lr) => sgd({ ...settings, lr });
  }
  if (kind !== 'Adam' && kind !== 'AdamW')
    throw new Unsupported(`option kind is ${JSON.stringify(kind)}, known are AdamW, Adam and SGD`);
  const betas = o.numbers('betas', [0.9, 0.999]);
  const settings = {
    betas: [betas[0], betas[1]] as const,
    eps: o.number('eps', 1e-8),
    weightDecay: o.number('weight_decay', kind === 'AdamW' ? 0.01 : 0),
    amsgrad: o.flag('amsgrad', false),
    maximize,
  };
  return (lr) => (kind === 'AdamW' ? adamw : adam)({ ...settings, lr });
}

/** torch's names of what an optimiser keeps. */
const slots = { m: 'exp_avg', v: 'exp_avg_sq', vMax: 'max_exp_avg_sq', b: 'momentum_buffer' };

/** torch.optim.AdamW, Adam and SGD with all their options, clip_grad_norm_, clip_grad_value_, CosineAnnealingLR. */
export const optim: Adapter = (options) => {
  const kind = options.text('kind', null);
  const lr = options.number('lr', kind === 'SGD' ? NaN : 1e-3);
  const make = optimizerOf(options, kind);
  const schedule = scheduleOf(options, lr);
  const norm = options.number('clip_grad_norm', 0);
  const largest = options.number('clip_grad_value', 0);
  if (options.number('norm_type', 2) !== 2)
    throw new Unsupported('clip_grad_norm_ is known for norm_type 2 only');
  return {
    outputs(inputs) {
      const grads = inputs('in.grads');
      const S = grads.shape[0];
      const rates = schedule(S);
      const optimizer = make(rates);
      let params: { p: Tensor } = { p: inputs('in.p0') };
      let state: OptimizerState = optimizer.init(params);
      const history: Record<'p' | 'lr' | 'grad_norm', Tensor[]> = { p: [], lr: [], grad_norm: [] };
      for (let s = 0; s < S; s++) {
        let step = { p: at(grads, s, 0) };
        if (norm > 0) {
          const [clipped, before] = clipByGlobalNorm(step, norm);
          step = clipped;
          history.grad_norm.push(before);
        }
        if (largest > 0) step = { p: clip(step.p, -largest, largest) };
        history.lr.push(rates.on(tensor(s, { dtype: 'i32', device: grads.device }), grads.dtype));
        [params, state] = optimizer.update(params, step, state);
        history.p.push(params.p);
      }
      const kept = Object.entries(slots).flatMap(([name, torch]) => {
        const slot = state[name] as { p: Tensor } | undefined;
        return slot ? [[torch, slot.p] as const] : [];
      });
      const series = Object.entries(history).flatMap(([name, list]) =>
        list.length > 0 ? [[name, stack(list, 0)] as const] : [],
      );
      return Object.fromEntries([...series, ...kept]);
    },
  };
};
