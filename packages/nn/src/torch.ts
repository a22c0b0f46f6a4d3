import { FormatError, show } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import type { LinearParams } from './linear.js';

/** Tensors by their names in a file, as `loadTensors` gives them, or as a plain object. */
export type NamedTensors = Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>;

/**
 * The tensor of that name, or nothing.
 *
 * @param named  tensors by name
 * @param name   the whole name, such as `head.weight`
 */
export function tensorNamed(named: NamedTensors, name: string): Tensor | undefined {
  if (named instanceof Map) return named.get(name);
  return Object.hasOwn(named, name) ? (named as Readonly<Record<string, Tensor>>)[name] : undefined;
}

/**
 * Weights of a PyTorch `nn.Linear`, `nn.Embedding`, `nn.LayerNorm` or `nn.RMSNorm`, by the name of the module.
 *
 * Their layouts are those of `linear` [O, I], [O], `embedding` [V, C], `layerNorm` [C], [C] and `rmsNorm` [C].
 *
 * @param named   tensors by name
 * @param prefix  name of the module: `head` finds `head.weight` and, if it is there, `head.bias`
 * @returns       weight, and bias if there is one
 * @throws FormatError  no weight of that name; a bias that does not fit it
 */
export function layerFromTorch(named: NamedTensors, prefix: string): LinearParams {
  const weight = tensorNamed(named, `${prefix}.weight`);
  if (!weight)
    throw new FormatError(
      `layerFromTorch: ${prefix}.weight is missing. Give the module's name as the file has it, such as "head".`,
    );
  const bias = tensorNamed(named, `${prefix}.bias`);
  if (bias && (bias.ndim !== 1 || bias.shape[0] !== weight.shape[0]))
    throw new FormatError(
      `layerFromTorch: ${prefix}.bias must be [${weight.shape[0]}] like the first axis of the weight, got ${show(bias.shape)}. Check the file.`,
    );
  return bias ? { weight, bias } : { weight };
}
