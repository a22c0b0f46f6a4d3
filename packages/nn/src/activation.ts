import {
  elu,
  gelu,
  geluTanh,
  mish,
  OptionError,
  relu,
  sigmoid,
  silu,
  softplus,
  square,
  tanh,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

const functions = {
  relu,
  gelu,
  geluTanh,
  silu,
  reluSquared: (x: Tensor): Tensor => square(relu(x)),
  elu,
  mish,
  softplus,
  sigmoid,
  tanh,
} satisfies Record<string, (x: Tensor) => Tensor>;

/**
 * Name of an elementwise nonlinearity, as specs hold it. `gelu` is exact (erf), `geluTanh` its tanh
 * approximation, `reluSquared` max(x, 0)².
 */
export type Activation =
  | 'relu'
  | 'gelu'
  | 'geluTanh'
  | 'silu'
  | 'reluSquared'
  | 'elu'
  | 'mish'
  | 'softplus'
  | 'sigmoid'
  | 'tanh';

/**
 * Applies a nonlinearity by name.
 *
 * @param x [...]
 * @returns [...]
 * @throws OptionError  an unknown name
 */
export function activate(x: Tensor, name: Activation): Tensor {
  checkActivation('activate', name);
  return functions[name](x);
}

/** Floating-point operations of an activation per element, by the conventions of `Cost`. */
export function activationFlops(name: Activation): number {
  return name === 'reluSquared' ? 2 : 1;
}

/** Refuses a name that is no activation. */
export function checkActivation(where: string, name: Activation): void {
  if (!Object.hasOwn(functions, name)) {
    throw new OptionError(
      `${where}: activation must be one of ${Object.keys(functions).join(', ')}, got '${name}'.`,
    );
  }
}
