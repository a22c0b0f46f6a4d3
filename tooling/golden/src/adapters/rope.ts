import { broadcastTo, concat, ones, stack, zeros } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { rope as rotate } from '@seq/nn';
import { Unsupported } from '../adapter.js';
import type { Adapter } from '../adapter.js';

/**
 * Rotary embedding of GPT-NeoX (half-split) and Llama (interleaved): style, theta, position_offset, and the
 * partial rotation of GPT-NeoX as rotary_dim, rotary_ndims or rotary_pct.
 */
export const rope: Adapter = (options) => {
  const style = options.text('style', null);
  const interleaved = style?.startsWith('interleaved') ?? false;
  if (style === null || !(interleaved || style.startsWith('half-split')))
    throw new Unsupported(`option style is ${JSON.stringify(style)}, known are half-split and interleaved`);
  const base = options.number('theta', options.number('base', 10000));
  const offset = options.number('position_offset', 0);
  const part = options.number('rotary_pct', 1);
  const dims = options.number('rotary_dim', options.number('rotary_ndims', 0));
  return {
    outputs(inputs) {
      const q = inputs('in.q');
      const D = q.shape[3];
      const rotaryDim = dims || Math.floor(D * part);
      const o = {
        base,
        interleaved,
        rotaryDim,
        ...(inputs.has('in.positions') ? { positions: inputs('in.positions') } : { offset }),
      };
      const turned: Record<string, Tensor> = { q: rotate(q, o) };
      if (inputs.has('in.k')) turned['k'] = rotate(inputs('in.k'), o);
      return { ...turned, freqs_cis: table(q, o) };
    },
  };
};

/** [T, R/2, 2] cosines and sines: what becomes of pairs (1, 0). */
function table(q: Tensor, o: NonNullable<Parameters<typeof rotate>[1]> & { rotaryDim: number }): Tensor {
  const T = q.shape[1];
  const half = o.rotaryDim / 2;
  const like = { device: q.device, dtype: q.dtype };
  const [one, zero] = [ones([half], like), zeros([half], like)];
  const unit = o.interleaved ? stack([one, zero], 1).reshape([2 * half]) : concat([one, zero], 0);
  const turned = rotate(broadcastTo(unit, [1, T, 1, 2 * half]).contiguous(), o);
  const pairs = turned.reshape(o.interleaved ? [T, half, 2] : [T, 2, half]);
  return o.interleaved ? pairs : pairs.swapAxes(1, 2);
}
