import { FormatError, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerFromTorch, tensorNamed } from '@seq/nn';
import type { NamedTensors, ShortConvParams } from '@seq/nn';
import type { MambaParams } from './mixer.js';

/** The tensor of that name. */
function needed(named: NamedTensors, name: string): Tensor {
  const found = tensorNamed(named, name);
  if (!found)
    throw new FormatError(`mambaFromTorch: ${name} is missing. Give the module's name as the file has it.`);
  return found;
}

/** A depthwise `nn.Conv1d` [C, 1, W] as the parameters of `shortConv`. */
export function convFromTorch(named: NamedTensors, prefix: string): ShortConvParams {
  const weight = needed(named, `${prefix}.weight`);
  const bias = tensorNamed(named, `${prefix}.bias`);
  const flat = weight.reshape([weight.shape[0], weight.shape[weight.ndim - 1]]);
  return bias ? { weight: flat, bias } : { weight: flat };
}

/**
 * Weights of a `Mamba` module of the authors' package, by name.
 *
 * @param named   tensors by name
 * @param prefix  what the names begin with, such as `backbone.layers.0.mixer.`
 * @throws FormatError  a name that is missing
 */
export function mambaFromTorch(named: NamedTensors, prefix: string = ''): MambaParams {
  return scope(() => {
    const dtProj = layerFromTorch(named, `${prefix}dt_proj`);
    const bias = needed(named, `${prefix}dt_proj.bias`);
    return {
      inProj: layerFromTorch(named, `${prefix}in_proj`),
      conv: convFromTorch(named, `${prefix}conv1d`),
      xProj: layerFromTorch(named, `${prefix}x_proj`),
      dtProj: { weight: dtProj.weight, bias },
      logA: needed(named, `${prefix}A_log`),
      D: needed(named, `${prefix}D`),
      outProj: layerFromTorch(named, `${prefix}out_proj`),
    };
  });
}
