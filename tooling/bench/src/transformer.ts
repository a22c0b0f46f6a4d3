import { numbers } from './input.js';
import type { Input } from './input.js';

/**
 * The language model that all libraries train and ask for a token: layer norm before each branch, causal attention without
 * biases or positions, silu between two matrices, a head of its own.
 */
export interface Size {
  readonly layers: number;
  /** C */
  readonly width: number;
  /** H, of C / H channels each */
  readonly heads: number;
  /** V */
  readonly vocab: number;
  /** Positions: of each row trained on, or in the cache once the token has been taken in. */
  readonly length: number;
  readonly batch: number;
}

export const trainingSize: Size = { layers: 2, width: 128, heads: 4, vocab: 65, length: 128, batch: 8 };
export const decodeSize: Size = { layers: 4, width: 256, heads: 8, vocab: 65, length: 256, batch: 1 };

/** Names and shapes of the parameters; matrices are [outputs, inputs]. */
function shapes({ layers, width: C, vocab: V }: Size): Map<string, number[]> {
  const all = new Map<string, number[]>([['embedding.weight', [V, C]]]);
  const norm = (name: string): void => void all.set(`${name}.weight`, [C]).set(`${name}.bias`, [C]);
  for (let i = 0; i < layers; i++) {
    norm(`blocks.${i}.norm`);
    all.set(`blocks.${i}.mixer.qkv.weight`, [3 * C, C]).set(`blocks.${i}.mixer.out.weight`, [C, C]);
    norm(`blocks.${i}.feedForwardNorm`);
    all.set(`blocks.${i}.feedForward.up.weight`, [4 * C, C]);
    all.set(`blocks.${i}.feedForward.down.weight`, [C, 4 * C]);
  }
  norm('norm');
  return all.set('head.weight', [V, C]);
}

/** A parameter: matrices within ±1/√inputs, factors of norms around 1. */
function parameter(shape: number[], seed: number, name: string): Input {
  const { data } = numbers(shape, seed);
  const factor = name.includes('orm.weight');
  const reach = name.startsWith('embedding') || shape.length === 1 ? 1 : 2 / Math.sqrt(shape[1]);
  return { shape, data: data.map((v) => (factor ? 1 + v / 2 : v * reach)) };
}

function tokens(shape: number[], { vocab }: Size): Input {
  return { shape, data: numbers(shape, 99).data.map((v) => Math.floor((v + 0.5) * vocab)) };
}

const parameters = (size: Size): Input[] =>
  [...shapes(size)].map(([name, shape], i) => parameter(shape, i + 1, name));

/** Tokens [B, T + 1], then the parameters. */
export function trainingInputs(): Input[] {
  const size = trainingSize;
  return [tokens([size.batch, size.length + 1], size), ...parameters(size)];
}

/** The token [1], the parameters, then keys and values [1, T, H, D] of each layer, of which the last position is free. */
export function decodeInputs(): Input[] {
  const size = decodeSize;
  const { layers, length, heads, width } = size;
  const caches = Array.from({ length: 2 * layers }, (_, i) => {
    const cache = numbers([1, length, heads, width / heads], 200 + i);
    cache.data.fill(0, (length - 1) * width);
    return cache;
  });
  return [tokens([1], size), ...parameters(size), ...caches];
}

/** The inputs of such an item apart; `parameters` by name. */
export function parts(
  inputs: readonly Input[],
  size: Size,
): {
  readonly tokens: Int32Array<ArrayBuffer>;
  readonly parameters: ReadonlyMap<string, Input>;
  /** Keys and values of each layer. */
  readonly caches: readonly (readonly [k: Input, v: Input])[];
} {
  const names = [...shapes(size).keys()];
  const rest = inputs.slice(1 + names.length);
  return {
    tokens: Int32Array.from(inputs[0].data),
    parameters: new Map(names.map((name, i) => [name, inputs[1 + i]])),
    caches: rest.flatMap((k, i) => (i % 2 === 0 ? [[k, rest[i + 1]] as const] : [])),
  };
}

/** A cache [1, T, H, D] without the free position, time where `order` puts it: of the axes H, T, D. */
export function filled({ shape, data }: Input, order: 'HTD' | 'HDT'): Input {
  const [, slots, H, D] = shape;
  const T = slots - 1;
  const out = new Float32Array(H * T * D);
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      for (let d = 0; d < D; d++)
        out[h * T * D + (order === 'HTD' ? t * D + d : d * T + t)] = data[(t * H + h) * D + d];
    }
  }
  return { shape: order === 'HTD' ? [1, H, T, D] : [1, H, D, T], data: out };
}

/** A matrix turned. */
export function turned({ shape: [r, c], data }: Input): Input {
  const out = new Float32Array(r * c);
  for (let i = 0; i < r; i++) for (let j = 0; j < c; j++) out[j * r + i] = data[i * c + j];
  return { shape: [c, r], data: out };
}
