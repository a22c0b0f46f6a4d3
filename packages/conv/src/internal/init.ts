import { uniformFan } from '@seq/nn';
import { split } from '@seq/tensor';
import type { Key, Tensor, TensorOptions } from '@seq/tensor';

/** Weight [W, I, O] and bias [O] of a convolution, `U(±1/√(W I))` as in PyTorch. */
export function convInit(
  key: Key,
  [W, I, O]: readonly [W: number, I: number, O: number],
  o: TensorOptions = {},
): { weight: Tensor; bias: Tensor } {
  const [first, second] = split(key);
  const fanIn = W * I;
  return {
    weight: uniformFan(first, [W, I, O], { ...o, fanIn }),
    bias: uniformFan(second, [O], { ...o, fanIn }),
  };
}
