import {
  add,
  chunk,
  exp,
  keep,
  key as rootKey,
  matmul,
  mul,
  normal,
  scan,
  sigmoid,
  stopGradient,
  sub,
  tanh,
  zeros,
} from '@seq/tensor';
import type { Key, Tensor } from '@seq/tensor';
import { defineMixer } from '@seq/nn';
import type { CausalMixer } from '@seq/nn';

export interface GateOptions {
  readonly dModel: number;
}

interface Params {
  /** [C, 3C]: reset, update, candidate */
  input: Tensor;
  /** [C, 3C] */
  recurrent: Tensor;
  /** [3C] */
  bias: Tensor;
}

interface State {
  /** [B, C] */
  h: Tensor;
}

/** Bugs of gates. */
export type GateBug =
  | 'forward resets before the product, step after it'
  | 'no gradient passes the state'
  | 'init ignores its key'
  | 'a loop that is not declared'
  | 'prefill starts anew'
  | 'z and 1 − z are exchanged in every form'
  | 'the sigmoid overflows'
  | 'every call keeps a tensor'
  | 'padding runs into the state'
  | 'the state can be used twice';

/** A GRU-like mixer, for testing the tests: the train form takes the input products out of its loop, step does not. */
export function gateMixer({ dModel: C }: GateOptions, bug?: GateBug): CausalMixer<Params, State> {
  const gate = (x: Tensor): Tensor => {
    if (bug !== 'the sigmoid overflows') return sigmoid(x);
    const e = exp(x);
    return e.div(e.add(1));
  };
  /** One step from x W + b [B, 3C] and h [B, C]. */
  const next = (g: Tensor, h: Tensor, recurrent: Tensor, early: boolean): Tensor => {
    const [gr, gz, gn] = chunk(g, 3, -1) as [Tensor, Tensor, Tensor];
    const [ur, uz, un] = chunk(recurrent, 3, -1) as [Tensor, Tensor, Tensor];
    const before = bug === 'no gradient passes the state' ? stopGradient(h) : h;
    const r = gate(add(gr, matmul(before, ur)));
    const z = gate(add(gz, matmul(before, uz)));
    const n = tanh(add(gn, early ? matmul(mul(r, before), un) : mul(r, matmul(before, un))));
    return bug === 'z and 1 − z are exchanged in every form'
      ? add(mul(z, n), sub(before, mul(z, before)))
      : add(sub(n, mul(z, n)), mul(z, before));
  };
  const prefill = (params: Params, x: Tensor, { h }: State): [Tensor, State] => {
    const g = add(matmul(x, params.input), params.bias);
    const early = bug === 'forward resets before the product, step after it';
    const [last, y] = scan(
      (carry: Tensor, now: Tensor): [Tensor, Tensor] => {
        const after = next(now, carry, params.recurrent, early);
        return [after, after];
      },
      bug === 'prefill starts anew' ? h.mul(0) : h,
      g,
      { axis: 1 },
    );
    if (bug === 'every call keeps a tensor') keep(g);
    return [y, { h: last }];
  };

  const mixer = defineMixer<Params, State>({
    spec: { kind: 'test/gate', dModel: C, options: {} },
    ...(bug === 'a loop that is not declared' ? {} : { serial: true as const }),
    ...(bug === 'padding runs into the state' ? { honours: ['lengths'] as const } : {}),
    init(given: Key, o) {
      const key = bug === 'init ignores its key' ? rootKey(0, o) : given;
      const draw = (n: number): Tensor => normal(key, [C, n], { std: C ** -0.5, ...o });
      return { input: draw(3 * C), recurrent: draw(3 * C), bias: zeros([3 * C], o) };
    },
    initState: (B, o) => ({
      h: zeros([B, C], { dtype: o?.dtype ?? 'f32', ...(o?.device ? { device: o.device } : {}) }),
    }),
    prefill,
    step(params, x, { h }) {
      const after = next(add(matmul(x, params.input), params.bias), h, params.recurrent, false);
      return [after, { h: after }];
    },
    cost({ B, T, form }) {
      const steps = form === 'step' ? 1 : T;
      const matmulFlops = 2 * B * steps * 6 * C * C;
      return {
        params: 6 * C * C + 3 * C,
        matmulFlops,
        flops: matmulFlops + B * steps * 13 * C,
        stateFloats: B * C,
      };
    },
  });
  if (bug !== 'the state can be used twice') return mixer;
  return { ...mixer, step: (params, x, state) => mixer.step(params, x, { h: state.h.mul(1) }) };
}

/** The definition of the gate mixer. */
export function gateNaive(
  params: Readonly<Record<string, { readonly data: Float64Array }>>,
  { data: x, shape }: { readonly data: Float64Array; readonly shape: readonly number[] },
): Float64Array {
  const [B, T, C] = shape as [number, number, number];
  const [W, U, bias] = [params['input'].data, params['recurrent'].data, params['bias'].data];
  const y = new Float64Array(B * T * C);
  const sigma = (v: number): number => 1 / (1 + Math.exp(-v));
  for (let b = 0; b < B; b++) {
    let h = new Float64Array(C);
    for (let t = 0; t < T; t++) {
      const from = (M: Float64Array, v: (i: number) => number, o: number): number => {
        let s = 0;
        for (let i = 0; i < C; i++) s += v(i) * M[i * 3 * C + o];
        return s;
      };
      const gi = (o: number): number => bias[o] + from(W, (i) => x[(b * T + t) * C + i], o);
      const gh = (o: number): number => from(U, (i) => h[i], o);
      h = Float64Array.from({ length: C }, (_, j) => {
        const r = sigma(gi(j) + gh(j));
        const z = sigma(gi(C + j) + gh(C + j));
        const n = Math.tanh(gi(2 * C + j) + r * gh(2 * C + j));
        return (1 - z) * n + z * h[j];
      });
      y.set(h, (b * T + t) * C);
    }
  }
  return y;
}
