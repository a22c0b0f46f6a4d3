import { activate } from '@seq/nn';
import type { Activation } from '@seq/nn';
import { concat, conv1d, flip, repeat, slice, swapAxes } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { Unsupported } from '../adapter.js';
import type { Adapter, Options } from '../adapter.js';
import { optional } from '../over-last.js';

type Sides = readonly [before: number, after: number];

/** What stands beside x [B, T, C] on both sides, by torch's padding_mode. */
const padded: Record<string, (x: Tensor, sides: Sides) => Tensor> = {
  reflect(x, [before, after]) {
    const T = x.shape[1];
    return concat([flip(slice(x, 1, 1, 1 + before), 1), x, flip(slice(x, 1, T - 1 - after, T - 1), 1)], 1);
  },
  replicate(x, [before, after]) {
    const T = x.shape[1];
    const edge = (t: number, n: number): Tensor => repeat(slice(x, 1, t, t + 1), n, 1);
    return concat([edge(0, before), x, edge(T - 1, after)], 1);
  },
  circular(x, [before, after]) {
    const T = x.shape[1];
    return concat([slice(x, 1, T - before, T), x, slice(x, 1, 0, after)], 1);
  },
};

const activations: Record<string, Activation> = {
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
  gelu: 'gelu',
  tanh: 'tanh',
  sigmoid: 'sigmoid',
};

/** Zeros on both sides for a kernel of some span; `padding` is a number or, in torch too, a word. */
function paddingOf(options: Options, word: boolean): (span: number) => Sides {
  if (!word) {
    const both = options.number('padding', 0);
    return () => [both, both];
  }
  const text = options.text('padding', 'valid');
  if (text === 'valid') return () => [0, 0];
  if (text === 'same') return (span) => [Math.floor(span / 2), span - Math.floor(span / 2)];
  throw new Unsupported(`option padding is "${text}", known are a number, same and valid`);
}

/**
 * torch.nn.Conv1d: kernel (kernel_size), stride, padding by number or word, padding_mode, dilation, groups, bias;
 * `causal` pads (K − 1)·dilation zeros in front of that; an activation after it.
 */
export const conv1dAdapter: Adapter = (options, golden) => {
  const kernel = options.number('kernel', options.number('kernel_size', NaN));
  const dilation = options.number('dilation', 1);
  const groups = options.number('groups', 1);
  const stride = options.number('stride', 1);
  const causal = options.flag('causal', false);
  const explicit = options.given('bias');
  const biased = options.flag('bias', true);
  const mode = options.text('padding_mode', 'zeros')!;
  if (mode !== 'zeros' && !padded[mode])
    throw new Unsupported(
      `option padding_mode is "${mode}", known are zeros, ${Object.keys(padded).join(', ')}`,
    );
  const named = options.text('activation', null);
  const name = named === 'none' || named === 'identity' ? null : named;
  if (name !== null && !activations[name])
    throw new Unsupported(
      `option activation is "${name}", known are null, ${Object.keys(activations).join(', ')}`,
    );
  const sidesOf = paddingOf(options, typeof golden.options['padding'] === 'string');

  return {
    outputs(inputs) {
      const weight = inputs('param.weight');
      const bias = optional(inputs, 'param.bias');
      const W = weight.shape[2];
      if (!Number.isNaN(kernel) && kernel !== W)
        throw new Unsupported(`option kernel=${kernel} does not fit the weight [${weight.shape.join(', ')}]`);
      if (explicit && biased !== !!bias)
        throw new Unsupported(`option bias=${biased} does not fit the parameters of the case`);
      const span = (W - 1) * dilation;
      const [before, after] = sidesOf(span);
      const front = causal ? span : 0; // F.pad ahead of the layer
      let x = swapAxes(inputs('in.x'), 1, 2); // [B, C, T] → [B, T, C]
      let padding: Sides = [front + before, after];
      if (mode !== 'zeros') {
        x = padded[mode](x.pad(1, front, 0), [before, after]);
        padding = [0, 0];
      }
      let y = conv1d(x, weight.transpose([2, 1, 0]), { stride, dilation, groups, padding });
      if (bias) y = y.add(bias);
      if (name !== null) y = activate(y, activations[name]);
      return { y: swapAxes(y, 1, 2) };
    },
  };
};
