import {
  abs,
  and,
  elu,
  erf,
  gelu,
  geluTanh,
  gt,
  le,
  logSigmoid,
  lt,
  mish,
  relu,
  sigmoid,
  silu,
  softplus,
  square,
  tanh,
  where,
  zerosLike,
} from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { Unsupported } from '../adapter.js';
import type { Adapter, Options } from '../adapter.js';

type Function = (x: Tensor) => Tensor;

/** x above zero, f of the rest; f sees zeros where it does not count. */
function onNegative(f: Function): Function {
  return (x) => where(gt(x, 0), x, f(where(gt(x, 0), 0, x)));
}

/** torch's clamp: no gradient on the bounds. */
function hardtanh(low: number, high: number): Function {
  return (x) => {
    const bounds = where(le(x, low), zerosLike(x).add(low), zerosLike(x).add(high));
    return where(and(gt(x, low), lt(x, high)), x, bounds);
  };
}

const relu6 = hardtanh(0, 6);

/** Functions by the name of the case, with torch's options and defaults. */
const functions: Record<string, (o: Options) => Function> = {
  relu: () => relu,
  relu2: () => (x) => square(relu(x)),
  relu6: () => relu6,
  leaky_relu: (o) => {
    const slope = o.number('negative_slope', 0.01);
    return (x) => where(gt(x, 0), x, x.mul(slope));
  },
  elu: (o) => {
    const alpha = o.number('alpha', 1);
    return alpha === 1 ? elu : onNegative((x) => elu(x).mul(alpha));
  },
  elu_plus1: (o) => {
    const alpha = o.number('alpha', 1);
    return (x) => (alpha === 1 ? elu(x) : onNegative((n) => elu(n).mul(alpha))(x)).add(1);
  },
  celu: (o) => {
    const alpha = o.number('alpha', 1);
    return onNegative((x) => elu(x.div(alpha)).mul(alpha));
  },
  selu: () => (x) => onNegative((n) => elu(n).mul(1.6732632423543772))(x).mul(1.0507009873554805),
  gelu: (o) => {
    const kind = o.text('approximate', 'none');
    if (kind !== 'none' && kind !== 'tanh')
      throw new Unsupported(`option approximate is "${kind}", known are none and tanh`);
    return kind === 'tanh' ? geluTanh : gelu;
  },
  gelu_exact: () => gelu,
  gelu_tanh: () => geluTanh,
  quick_gelu: () => (x) => x.mul(sigmoid(x.mul(1.702))),
  silu: () => silu,
  swish: (o) => {
    const beta = o.number('beta', 1);
    return beta === 1 ? silu : (x) => x.mul(sigmoid(x.mul(beta)));
  },
  sigmoid: () => sigmoid,
  logsigmoid: () => logSigmoid,
  tanh: () => tanh,
  erf: () => erf,
  mish: () => mish,
  softplus: (o) => {
    // The library is exact everywhere; torch goes over to the identity above its threshold.
    const beta = o.number('beta', 1);
    const threshold = o.number('threshold', 20);
    return (x) => {
      const scaled = x.mul(beta);
      return where(gt(scaled, threshold), x, softplus(scaled).div(beta));
    };
  },
  softsign: () => (x) => x.div(abs(x).add(1)),
  tanhshrink: () => (x) => x.sub(tanh(x)),
  hardtanh: (o) => hardtanh(o.number('min_val', -1), o.number('max_val', 1)),
  hardsigmoid: () => (x) => relu6(x.add(3)).div(6),
  hardswish: () => (x) => x.mul(relu6(x.add(3)).div(6)),
};

/** The function a case names: its own name, or that with something after an underscore (`gelu_tanh_large`). */
function named(name: string): string | undefined {
  return Object.keys(functions)
    .filter((key) => name === key || name.startsWith(`${key}_`))
    .sort((a, b) => b.length - a.length)[0];
}

/** y = f(x) for the elementwise function that the case is named after. */
export const activations: Adapter = (options, golden) => {
  const key = named(golden.case);
  if (!key) throw new Unsupported(`the function "${golden.case}" is not known`);
  const f = functions[key](options);
  return { outputs: (inputs) => ({ y: f(inputs('in.x')) }) };
};
