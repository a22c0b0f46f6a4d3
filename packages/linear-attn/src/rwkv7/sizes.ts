import { OptionError } from '@seq/tensor';
import { scanCost } from '@seq/nn/scan';
import { rwkv7Ranks } from './init.js';
import type { Rwkv7Ranks } from './init.js';

/** Options that a time mix has, alone or in a stack. */
export interface Rwkv7SizeOptions {
  /** Width C of inputs and outputs. */
  readonly dModel: number;
  /** N, channels of a head; divides C. Default 64, or C where that is less. */
  readonly headDim?: number;
  /** Widths of the maps of low rank; by default some multiples of √C. */
  readonly ranks?: Partial<Rwkv7Ranks>;
  /** L, positions between two states that are kept for the gradient. Default 64. */
  readonly chunkSize?: number;
}

export interface Rwkv7Sizes {
  readonly C: number;
  readonly H: number;
  readonly headDim: number;
  readonly ranks: Rwkv7Ranks;
  readonly chunkSize: number;
}

/** @throws OptionError  sizes that are no positive integers, a headDim that does not divide dModel */
export function rwkv7Sizes(
  fn: string,
  { dModel: C, headDim = Math.min(64, C), ranks, chunkSize = 64 }: Rwkv7SizeOptions,
): Rwkv7Sizes {
  const all = { ...rwkv7Ranks(C), ...ranks };
  for (const [name, n] of Object.entries({ headDim, chunkSize, ...all })) {
    if (Number.isInteger(n) && n > 0) continue;
    throw new OptionError(`${fn}: ${name} must be a positive integer, got ${n}.`);
  }
  if (C % headDim !== 0)
    throw new OptionError(`${fn}: headDim must divide dModel = ${C}, got ${headDim}. 64 is usual.`);
  return { C, H: C / headDim, headDim, ranks: all, chunkSize };
}

/** Cost of a time mix over B × T positions. */
export function timeMixCost(
  { C, H, headDim: N, ranks }: Rwkv7Sizes,
  { B, T }: { readonly B: number; readonly T: number },
  isFirst: boolean,
): { params: number; matmulFlops: number; flops: number } {
  const matrices = 4 * C * C + 2 * C * (ranks.decay + ranks.erase + ranks.gate + (isFirst ? 0 : ranks.first));
  const scan = scanCost({ B, T, H, K: N, V: N }, { decay: 'key', erase: 'pair' });
  const perPosition = (isFirst ? 41 : 46) * C + ranks.decay + ranks.gate + 2 * H;
  return {
    params: matrices + (isFirst ? 13 : 14) * C,
    matmulFlops: scan.matmulFlops + 2 * B * T * matrices,
    flops: scan.flops + B * T * (2 * matrices + perPosition),
  };
}
