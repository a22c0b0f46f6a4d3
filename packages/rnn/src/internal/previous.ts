import { apply, concat, defineOp, expandDims, slice, where, zerosLike } from '@seq/tensor';
import type { Op, Tensor } from '@seq/tensor';
import { lazyKernels } from '@seq/tensor/engine';

const gpu = /* @__PURE__ */ lazyKernels('recurrence', () => import('./gpu/previous.js'));

/** The direction of time, and whether a third input says where the state is cleared. */
export interface PreviousAttrs {
  readonly reverse: boolean;
  readonly resets: boolean;
}

/**
 * The states that the positions start from: `first`, then `states` without the last; 0 where the state is cleared.
 *
 * @param states  [B, T, H]  states after each position
 * @param first   [B, H]     state before the first position read (the last one when `reverse`)
 */
export function previousStates(
  states: Tensor,
  first: Tensor,
  reverse: boolean,
  resets: Tensor | undefined,
): Tensor {
  const inputs = resets ? [states, first, resets] : [states, first];
  return apply(previousOp, inputs, { reverse, resets: !!resets }) as Tensor;
}

/** `previousStates` in one dispatch. */
export const previousOp: Op<PreviousAttrs> = /* @__PURE__ */ defineOp<PreviousAttrs>({
  name: 'recurrence.previous',
  infer: ([states]) => ({ shape: states.shape, dtype: states.dtype }),
  reference: ([states, first, resets], { reverse }) => shifted(states, first, reverse, resets),
  webgpu: () => gpu().previousKernels,
});

/** The same of composed operations. */
export function shifted(states: Tensor, first: Tensor, reverse: boolean, resets: Tensor | undefined): Tensor {
  const T = states.shape[1];
  const before = expandDims(first, 1);
  const previous = reverse
    ? concat([slice(states, 1, 1, T), before], 1)
    : concat([before, slice(states, 1, 0, T - 1)], 1);
  return resets ? where(expandDims(resets, -1), zerosLike(previous), previous) : previous;
}
