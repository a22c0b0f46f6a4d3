import { FormatError, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerFromTorch, tensorNamed } from '@seq/nn';
import type { NamedTensors } from '@seq/nn';
import { convFromTorch } from '../mamba/formats.js';
import type { Mamba2Params } from './mixer.js';

/**
 * Weights of a `Mamba2` module of the authors' package, by name.
 *
 * @param named   tensors by name
 * @param prefix  what the names begin with, such as `backbone.layers.0.mixer.`
 * @param headDim  P, where D is given for each channel
 * @throws FormatError  a name that is missing
 */
export function mamba2FromTorch(named: NamedTensors, prefix: string = '', headDim?: number): Mamba2Params {
  const needed = (name: string): Tensor => {
    const found = tensorNamed(named, prefix + name);
    if (!found)
      throw new FormatError(
        `mamba2FromTorch: ${prefix}${name} is missing. Give the module's name as the file has it.`,
      );
    return found;
  };
  return scope(() => {
    const norm = tensorNamed(named, `${prefix}norm.weight`);
    const logA = needed('A_log');
    const D = needed('D');
    return {
      inProj: layerFromTorch(named, `${prefix}in_proj`),
      conv: convFromTorch(named, `${prefix}conv1d`),
      dtBias: needed('dt_bias'),
      logA,
      D: headDim !== undefined && D.size !== logA.size ? D.reshape([logA.size, headDim]) : D,
      ...(norm && { norm: { weight: norm } }),
      outProj: layerFromTorch(named, `${prefix}out_proj`),
    };
  });
}
