import { concat, FormatError, scope } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { layerFromTorch, tensorNamed } from '@seq/nn';
import type { LinearParams, NamedTensors } from '@seq/nn';
import type { AttentionParams } from './mixer.js';

/** Names of the four projections, as Hugging Face and as Meta give them. */
const apart = [
  ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
  ['wq', 'wk', 'wv', 'wo'],
] as const;

/**
 * Weights of an attention layer by the names of its file.
 *
 * Known are PyTorch's `MultiheadAttention` (`in_proj_weight`, `out_proj`), Llama as Hugging Face names it (`q_proj` …
 * `o_proj`) and as Meta does (`wq` … `wo`). The rows of a file are kept: Meta's turn interleaved, `rope: { interleaved:
 * true }`, Hugging Face's do not.
 *
 * @param named   tensors by name
 * @param prefix  what the names begin with, such as `layers.0.attention.`
 * @throws FormatError  none of the three, or one of its tensors missing
 */
export function attentionFromTorch(named: NamedTensors, prefix: string = ''): AttentionParams {
  const layer = (name: string): LinearParams => layerFromTorch(named, prefix + name);
  const weight = tensorNamed(named, `${prefix}in_proj_weight`);
  if (weight) {
    const bias = tensorNamed(named, `${prefix}in_proj_bias`);
    return { qkv: { weight, ...(bias && { bias }) }, out: layer('out_proj') };
  }
  const names = apart.find(([q]) => tensorNamed(named, `${prefix}${q}.weight`));
  if (!names)
    throw new FormatError(
      `attentionFromTorch: ${prefix}in_proj_weight, ${prefix}q_proj.weight or ${prefix}wq.weight must be there, got none. Give what the names of the layer begin with, dot included.`,
    );
  const [q, k, v, out] = names.map(layer);
  const biases = [q, k, v].flatMap(({ bias }): Tensor[] => (bias ? [bias] : []));
  if (biases.length % 3 !== 0)
    throw new FormatError(
      `attentionFromTorch: ${prefix}${names.slice(0, 3).join(', ')} must all have a bias or none, got ${biases.length}. Check the file.`,
    );
  return scope(() => ({
    qkv: {
      weight: concat([q.weight, k.weight, v.weight]),
      ...(biases.length > 0 && { bias: concat(biases) }),
    },
    out,
  }));
}
