import { FormatError } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { tensorNamed } from '@seq/nn';
import type { NamedTensors } from '@seq/nn';
import type { Layer } from './stack.js';

/** Our name of each PyTorch parameter, and whether a layer can be without it. */
export interface TorchName {
  readonly field: string;
  readonly optional?: boolean;
}

/** The names of `nn.RNN` and `nn.GRU`. */
export const hiddenNames: Readonly<Record<string, TorchName>> = {
  weight_ih: { field: 'weightIh' },
  weight_hh: { field: 'weightHh' },
  bias_ih: { field: 'biasIh', optional: true },
  bias_hh: { field: 'biasHh', optional: true },
};

/**
 * Weights of a PyTorch recurrent module, found by name: `weight_ih_l0`, `bias_hh_l1_reverse`, …
 *
 * @param prefix  what the names begin with, such as `encoder.`; names with another beginning are left out
 * @throws FormatError  a name that is not one of the module's, a missing layer, matrix or direction
 */
export function layersFromTorch<W>(
  fn: string,
  named: NamedTensors,
  names: Readonly<Record<string, TorchName>>,
  prefix: string,
): Layer<W>[] {
  const found: { forward: Record<string, Tensor>; reverse: Record<string, Tensor> }[] = [];
  const entries = named instanceof Map ? [...named] : Object.entries(named as Record<string, Tensor>);
  for (const [full, value] of entries) {
    if (!full.startsWith(prefix)) continue;
    const match = /^(\w+?)_l(\d+)(_reverse)?$/.exec(full.slice(prefix.length));
    const name = match && names[match[1]];
    if (!match || !name)
      throw new FormatError(
        `${fn}: names must be ${Object.keys(names).join(', ')} with _l0, _l0_reverse, _l1, …, got ${full}. Leave it out or give the prefix.`,
      );
    const layer = (found[Number(match[2])] ??= { forward: {}, reverse: {} });
    layer[match[3] ? 'reverse' : 'forward'][name.field] = value;
  }
  if (found.length === 0)
    throw new FormatError(
      `${fn}: at least weight_ih_l0 is needed, got no name with the prefix "${prefix}". Check the prefix.`,
    );

  const bidirectional = found.some((layer) => layer && Object.keys(layer.reverse).length > 0);
  return Array.from(found, (layer, l) => {
    const side = (weights: Record<string, Tensor> | undefined, suffix: string): W => {
      for (const [torch, { field, optional }] of Object.entries(names)) {
        if (!optional && !weights?.[field])
          throw new FormatError(
            `${fn}: ${torch}_l${l}${suffix} is missing. Give every matrix of layers 0 to ${found.length - 1}.`,
          );
      }
      return weights as W;
    };
    const forward = side(layer?.forward, '');
    return bidirectional ? { forward, reverse: side(layer?.reverse, '_reverse') } : { forward };
  });
}

/**
 * Weights of a PyTorch recurrent cell, whose names have no number: `weight_ih`, `bias_hh`, …
 *
 * @param prefix  what the names begin with, such as `cell.`
 * @throws FormatError  a missing matrix
 */
export function cellFromTorch<W>(
  fn: string,
  named: NamedTensors,
  names: Readonly<Record<string, TorchName>>,
  prefix: string,
): W {
  const weights: Record<string, Tensor> = {};
  for (const [torch, { field, optional }] of Object.entries(names)) {
    const found = tensorNamed(named, prefix + torch);
    if (found) weights[field] = found;
    else if (!optional)
      throw new FormatError(`${fn}: ${prefix}${torch} is missing. Give both matrices, or another prefix.`);
  }
  return weights as W;
}

/** The reverse of `layersFromTorch`: weights by their PyTorch names. */
export function layersToTorch<W>(
  layers: readonly Layer<W>[],
  names: Readonly<Record<string, TorchName>>,
  prefix: string,
): Record<string, Tensor> {
  const out: Record<string, Tensor> = {};
  layers.forEach((layer, l) => {
    for (const [weights, suffix] of [
      [layer.forward, ''],
      [layer.reverse, '_reverse'],
    ] as const) {
      if (!weights) continue;
      for (const [torch, { field }] of Object.entries(names)) {
        const value = (weights as Record<string, Tensor | undefined>)[field];
        if (value) out[`${prefix}${torch}_l${l}${suffix}`] = value;
      }
    }
  });
  return out;
}
