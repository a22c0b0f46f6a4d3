import { expandDims, squeeze } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { Unsupported } from './adapter.js';
import type { Inputs, Options } from './adapter.js';

/** Options of torch's recurrent modules, checked against the tensors of the case. */
export interface Settings {
  readonly batchFirst: boolean;
  check(inputs: Inputs): void;
}

/** Reads the options; `gates` is 1 for an RNN, 3 for a GRU, 4 for an LSTM. */
export function settings(o: Options, gates: number): Settings {
  const inputSize = o.number('input_size', NaN);
  const hidden = o.number('hidden_size', NaN);
  const layers = o.number('num_layers', 1);
  const directions = o.flag('bidirectional', false) ? 2 : 1;
  const batchFirst = o.flag('batch_first', false);
  const bias = o.flag('bias', true);
  const given = o.flag('initial_state_given', false);
  const explicit = o.given('initial_state_given');
  const proj = gates === 4 ? o.number('proj_size', 0) : 0;
  if (o.number('dropout', 0) !== 0) throw new Unsupported('dropout draws random numbers of torch');
  const expect = (what: string, got: number | boolean, want: number | boolean): void => {
    if (got !== want && !Number.isNaN(want))
      throw new Unsupported(`option ${what}=${want} does not fit the tensors of the case (${got})`);
  };
  return {
    batchFirst,
    check(inputs) {
      const params = inputs.params();
      const names = Object.keys(params);
      const numbers = names.map((name) => Number(/_l(\d+)/.exec(name)?.[1]));
      expect('num_layers', Math.max(...numbers) + 1, layers);
      expect(
        'bidirectional',
        names.some((name) => name.endsWith('_reverse')),
        directions === 2,
      );
      expect(
        'bias',
        names.some((name) => name.startsWith('bias')),
        bias,
      );
      expect('input_size', params['weight_ih_l0'].shape[1], inputSize);
      expect('hidden_size', params['weight_ih_l0'].shape[0] / gates, hidden);
      expect('proj_size', params['weight_hr_l0']?.shape[0] ?? 0, proj);
      if (explicit) expect('initial_state_given', inputs.has('in.h0'), given);
    },
  };
}

/** Adds the batch axis that torch allows to leave out, and takes it off again. */
export function batched(
  x: Tensor,
  batchFirst: boolean,
): { x: Tensor; state(s: Tensor): Tensor; y(y: Tensor): Tensor; last(s: Tensor): Tensor } {
  if (x.ndim === 3) return { x, state: (s) => s, y: (y) => y, last: (s) => s };
  const axis = batchFirst ? 0 : 1;
  return {
    x: expandDims(x, axis),
    state: (s) => expandDims(s, 1),
    y: (y) => squeeze(y, axis),
    last: (s) => squeeze(s, 1),
  };
}
