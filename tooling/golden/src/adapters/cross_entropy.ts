import { crossEntropy, logSoftmax, transpose } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';

/** torch has classes on axis 1 of [N, V, d…]; the library on the last axis. */
function classesLast(x: Tensor): Tensor {
  if (x.ndim <= 2) return x;
  return transpose(x, [0, ...Array.from({ length: x.ndim - 2 }, (_, i) => i + 2), 1]);
}

/** torch.nn.functional.cross_entropy: weight, ignore_index, reduction, label_smoothing, class indices or probabilities. */
export const crossEntropyAdapter: Adapter = (options) => {
  const reduction = options.text('reduction', 'mean');
  if (reduction !== 'mean' && reduction !== 'sum' && reduction !== 'none')
    throw new Unsupported(`option reduction is "${reduction}", known are mean, sum and none`);
  const labelSmoothing = options.number('label_smoothing', 0);
  const ignoreIndex = options.number('ignore_index', -100);
  const weighted = options.flag('weight', false);
  const explicit = options.given('weight');
  return {
    outputs(inputs) {
      const logits = classesLast(inputs('in.logits'));
      const target = inputs('in.target');
      const weight = inputs.has('in.weight') ? { weight: inputs('in.weight') } : {};
      if (explicit && weighted !== 'weight' in weight)
        throw new Unsupported(`option weight=${weighted} does not fit the inputs of the case`);
      if (target.dtype === 'i32')
        return { loss: crossEntropy(logits, target, { reduction, labelSmoothing, ignoreIndex, ...weight }) };
      return {
        loss: fromProbabilities(logits, classesLast(target), { reduction, labelSmoothing, ...weight }),
      };
    },
  };
};

/** Σ_v −w_v q_v log p_v with targets q smoothed to (1 − e) q + e / V; `mean` divides by the number of rows. */
function fromProbabilities(
  logits: Tensor,
  target: Tensor,
  {
    reduction,
    labelSmoothing: e,
    weight,
  }: { reduction: 'mean' | 'sum' | 'none'; labelSmoothing: number; weight?: Tensor },
): Tensor {
  const V = logits.shape[logits.ndim - 1];
  let each = logSoftmax(logits).mul(target.mul(1 - e).add(e / V));
  if (weight) each = each.mul(weight);
  const rows = each.sum(-1).neg();
  return reduction === 'none' ? rows : reduction === 'sum' ? rows.sum() : rows.mean();
}
