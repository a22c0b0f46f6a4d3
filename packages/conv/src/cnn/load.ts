import { layerFromTorch } from '@seq/nn';
import type { NamedTensors } from '@seq/nn';
import { FormatError, show } from '@seq/tensor';
import type { CausalConvParams } from './op.js';

/**
 * Weights of a PyTorch `nn.Conv1d`, by the name of the module, for `causalConv` and `conv1d`.
 *
 *   weight [O, I/groups, W] there, [W, I/groups, O] here
 *
 * The other settings of the module (dilation, groups, stride, padding) stand in no file of weights: give them to the call.
 *
 * @param named   tensors by name
 * @param prefix  name of the module: `conv1` finds `conv1.weight` and, if it is there, `conv1.bias`
 * @returns       weight [W, I/groups, O], and bias [O] if there is one
 * @throws FormatError  no weight of that name, one that is not [O, I/groups, W], a bias that does not fit it
 */
export function convFromTorch(named: NamedTensors, prefix: string): CausalConvParams {
  const { weight, bias } = layerFromTorch(named, prefix);
  if (weight.ndim !== 3)
    throw new FormatError(
      `convFromTorch: ${prefix}.weight must be [O, I/groups, W], got ${show(weight.shape)}. Give the name of an nn.Conv1d.`,
    );
  const ours = weight.transpose([2, 1, 0]).contiguous();
  return bias ? { weight: ours, bias } : { weight: ours };
}
