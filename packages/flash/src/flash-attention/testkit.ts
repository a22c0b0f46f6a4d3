// Cases that every kernel of flash attention must compute, and what they must come to.
import { bernoulli, createCpu, key, tensor, vjp } from '@seq/tensor';
import type { Device, DType, Tensor } from '@seq/tensor';
import { hostRandom, toTensor } from '@seq/testing';
import type { HostArray } from '@seq/testing';
import { flashAttentionWithLse } from './attention.js';
import type { FlashNaiveInput } from './naive.js';
import type { FlashAttentionOptions } from './options.js';

/** Sizes and options of a case; what has values is drawn. */
export interface Case {
  readonly name: string;
  readonly sizes?: Partial<Record<'B' | 'T' | 'S' | 'H' | 'G' | 'D' | 'V', number>>;
  readonly causal?: boolean;
  readonly windowSize?: number | readonly [number, number];
  readonly scale?: number;
  readonly softcap?: number;
  readonly slopes?: boolean;
  readonly sinks?: boolean;
  /** Axes [B, H, T, S] that a bias has; absent: no bias. */
  readonly bias?: readonly boolean[];
  /** Axes of a mask, and the share of keys that it hides. */
  readonly mask?: { readonly axes: readonly boolean[]; readonly hidden: number };
  readonly dropout?: number;
  readonly cuSeqlens?: readonly [queries: readonly number[], keys: readonly number[]];
  /** Factor of the logits. */
  readonly times?: number;
}

const [yes, no] = [true, false];

export const cases: readonly Case[] = [
  { name: 'all keys' },
  { name: 'causal', causal: true, sizes: { T: 37, S: 37 } },
  { name: 'causal over blocks', causal: true, sizes: { B: 1, T: 140, S: 140, H: 2, G: 1, D: 8, V: 8 } },
  { name: 'causal, more keys', causal: true, sizes: { T: 5, S: 150 } },
  { name: 'causal, more queries', causal: true, sizes: { T: 70, S: 3 } },
  { name: 'one query', causal: true, sizes: { T: 1, S: 133, H: 6, G: 2 } },
  { name: 'one key', sizes: { T: 7, S: 1 } },
  { name: 'no keys', sizes: { T: 3, S: 0 } },
  { name: 'no queries', sizes: { T: 0, S: 3 } },
  { name: 'a window', windowSize: 9, sizes: { T: 150, S: 150 } },
  { name: 'a window both ways', windowSize: [3, 2], sizes: { T: 33, S: 40 } },
  { name: 'a window ahead', windowSize: [Infinity, 4], causal: false, sizes: { T: 20, S: 31 } },
  { name: 'softcap and scale', softcap: 1.5, scale: 0.7, causal: true },
  { name: 'linear biases', slopes: true, sizes: { T: 31, S: 40 } },
  { name: 'a bias', bias: [yes, yes, yes, yes], causal: true },
  { name: 'a bias per head and key', bias: [no, yes, no, yes] },
  { name: 'a bias per query', bias: [no, no, yes, yes], softcap: 2, slopes: true },
  { name: 'padding', mask: { axes: [yes, no, no, yes], hidden: 0.4 }, causal: true },
  {
    name: 'a mask that hides rows',
    mask: { axes: [yes, yes, yes, yes], hidden: 0.9 },
    bias: [no, yes, yes, yes],
  },
  { name: 'sinks', sinks: true, causal: true, sizes: { T: 9, S: 5 } },
  { name: 'dropout', dropout: 0.3, causal: true, sizes: { T: 21, S: 35 } },
  { name: 'dropout of half', dropout: 0.5, bias: [no, no, no, yes], sizes: { T: 3, S: 140 } },
  { name: 'multi-query', causal: true, sizes: { H: 4, G: 1, T: 70, S: 70 } },
  { name: 'odd sizes', sizes: { B: 3, T: 17, S: 23, H: 3, G: 3, D: 5, V: 7 } },
  { name: 'wide heads', causal: true, sizes: { B: 1, T: 13, S: 13, H: 1, G: 1, D: 256, V: 200 } },
  { name: 'large logits', times: 30, causal: true, sizes: { T: 40, S: 40 } },
  {
    name: 'packed sequences',
    causal: true,
    cuSeqlens: [
      [0, 5, 5, 18, 37],
      [0, 9, 11, 24, 40],
    ],
    sizes: { B: 1, T: 37, S: 40 },
    slopes: true,
  },
];

/** Values and gradients of a case. */
export interface Results {
  readonly outputs: Tensor[];
  readonly gradients: Readonly<Record<string, Tensor>>;
}

type Attend = (q: Tensor, k: Tensor, v: Tensor, options: FlashAttentionOptions) => Tensor[];

const drawn = new Set(['q', 'k', 'v', 'bias', 'sinks', 'slopes', 'mask']);

/** A case with its numbers. */
export class Problem {
  readonly sizes: Record<'B' | 'T' | 'S' | 'H' | 'G' | 'D' | 'V', number>;
  readonly host: Readonly<Record<string, HostArray>>;
  readonly what: Case;

  constructor(what: Case, seed: number = 1) {
    this.what = what;
    const sizes = { B: 2, T: 19, S: 19, H: 4, G: 2, D: 8, V: 12, ...what.sizes };
    this.sizes = sizes;
    const random = hostRandom(seed);
    const { B, T, S, H, G, D, V } = sizes;
    const times = what.times ?? 1;
    const normal = (shape: number[], by: number = 1): HostArray => {
      const x = random.normal(shape);
      return { ...x, data: Float64Array.from(x.data, (y) => Math.fround(y * by)) };
    };
    const axes = (there: readonly boolean[]): number[] => [B, H, T, S].map((d, i) => (there[i] ? d : 1));
    const host: Record<string, HostArray> = {
      q: normal([B, T, H, D], times),
      k: normal([B, S, G, D]),
      v: normal([B, S, G, V]),
    };
    if (what.bias) host['bias'] = normal(axes(what.bias));
    if (what.sinks) host['sinks'] = normal([H]);
    if (what.slopes)
      host['slopes'] = { shape: [H], data: Float64Array.from({ length: H }, (_, h) => 2 ** -(h + 1)) };
    if (what.mask) {
      const shape = axes(what.mask.axes);
      const data = Float64Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () =>
        Number(random.next() >= what.mask!.hidden),
      );
      host['mask'] = { shape, data };
    }
    host['dO'] = normal([B, T, H, V]);
    host['dLse'] = normal([B, H, T]);
    this.host = host;
  }

  /** The tensors of the case on a device. */
  place(device: Device, dtype: DType): Record<string, Tensor> {
    const placed = Object.entries(this.host).map(([name, x]): [string, Tensor] => [
      name,
      name === 'mask' ? toTensor(x, { device, dtype: 'f32' }).gt(0.5) : toTensor(x, { device, dtype }),
    ]);
    return Object.fromEntries(placed);
  }

  options({ bias, sinks, slopes, mask, q }: Record<string, Tensor>): FlashAttentionOptions {
    const { what } = this;
    const { device } = q;
    const integers = (x: readonly number[]): Tensor => tensor(Int32Array.from(x), { device });
    return {
      ...(what.causal && { causal: true }),
      ...(what.windowSize && { windowSize: what.windowSize }),
      ...(what.scale && { scale: what.scale }),
      ...(what.softcap && { softcap: what.softcap }),
      ...(bias && { bias }),
      ...(mask && { mask }),
      ...(sinks && { sinks }),
      ...(slopes && { alibiSlopes: slopes }),
      ...(what.dropout && { dropout: { rate: what.dropout, key: key(7, { device }) } }),
      ...(what.cuSeqlens && {
        cuSeqlens: { queries: integers(what.cuSeqlens[0]), keys: integers(what.cuSeqlens[1]) },
      }),
    };
  }

  /** Input of the definition. */
  async naive(): Promise<FlashNaiveInput> {
    const { what, sizes, host } = this;
    const { B, T, S, H } = sizes;
    const whole = ({ shape, data }: HostArray): Float64Array =>
      Float64Array.from({ length: B * H * T * S }, (_, n) => {
        const at = [Math.floor(n / (H * T * S)), Math.floor(n / (T * S)) % H, Math.floor(n / S) % T, n % S];
        return data[at.reduce((m, i, axis) => m * shape[axis] + (shape[axis] === 1 ? 0 : i), 0)];
      });
    const window =
      typeof what.windowSize === 'number' ? ([what.windowSize - 1, 0] as const) : what.windowSize;
    const kept = what.dropout ? await bernoulli(key(7), 1 - what.dropout, [B, H, T, S]).data() : undefined;
    return {
      ...sizes,
      q: host['q'].data,
      k: host['k'].data,
      v: host['v'].data,
      ...(what.causal && { causal: true }),
      ...(window && { window }),
      ...(what.scale && { scale: what.scale }),
      ...(what.softcap && { softcap: what.softcap }),
      ...(host['bias'] && { bias: whole(host['bias']) }),
      ...(host['mask'] && { mask: whole(host['mask']) }),
      ...(host['slopes'] && { slopes: host['slopes'].data }),
      ...(host['sinks'] && { sinks: host['sinks'].data }),
      ...(kept && { dropout: { kept, rate: what.dropout! } }),
      ...(what.cuSeqlens && { cuSeqlens: what.cuSeqlens }),
    };
  }

  /** o, lse and the gradients of all that has one, on a device, by flash attention or a function like it. */
  run(device: Device, dtype: DType, attend: Attend = flashAttentionWithLse): Results {
    const all = this.place(device, dtype);
    const names = ['q', 'k', 'v', 'bias', 'sinks'].filter((name) => drawn.has(name) && all[name]);
    const f = (...moving: Tensor[]): Tensor[] => {
      const now = { ...all, ...Object.fromEntries(names.map((name, i) => [name, moving[i]])) };
      return attend(now.q, now.k, now.v, this.options(now));
    };
    const inputs = names.map((name) => all[name]);
    const [outputs, gradients] = vjp(f, inputs, [all.dO, all.dLse]);
    return { outputs, gradients: Object.fromEntries(names.map((name, i) => [name, gradients[i]])) };
  }
}

/** A device on which every op is its composite: the oracle. */
export const references: Device = createCpu({ name: 'references', references: true });

/** Largest differences of o and of the gradients by q, k, v from the composite in f64. */
export async function errorsOf(problem: Problem, got: Results): Promise<number[]> {
  const all = ({ outputs, gradients: { q, k, v } }: Results): Tensor[] => [outputs[0], q, k, v];
  const right = all(problem.run(references, 'f64'));
  return Promise.all(
    all(got).map(async (x, i) => {
      const [a, b] = [await x.data(), await right[i].data()];
      // NaN must not pass.
      return Array.from(a).reduce((most, value, n) => {
        const error = Math.abs(value - b[n]);
        return error <= most ? most : error;
      }, 0);
    }),
  );
}

const one = { B: 1, H: 2, G: 1, D: 32, V: 32 };

/** Cases whose errors must be at most twice those of composed operations in the same precision. */
export const exacting: readonly Case[] = [
  { name: '1 x 147', sizes: { ...one, T: 1, S: 147 }, causal: true },
  { name: '113 x 203', sizes: { ...one, T: 113, S: 203 }, causal: true },
  { name: '200 x 200, all keys', sizes: { ...one, T: 200, S: 200, D: 64, V: 64 } },
  { name: 'logits five times as large', sizes: { ...one, T: 150, S: 150 }, causal: true, times: 5 },
  { name: 'a window and softcap', sizes: { ...one, T: 160, S: 160 }, windowSize: [30, 5], softcap: 2 },
];
