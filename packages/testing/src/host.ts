import { tensor, treeEntries, treeLeaves, treeMap } from '@seq/tensor';
import type { DType, Device, Shape, Tensor, Tree } from '@seq/tensor';

/** Numbers outside any device: row-major values and their shape. Integers and booleans are held as numbers too. */
export interface HostArray {
  readonly data: Float64Array;
  readonly shape: Shape;
  /** Absent means a float. */
  readonly dtype?: 'i32' | 'u32' | 'bool';
}

/** A seeded source of host arrays; independent of the keys of the engine under test. */
export interface HostRandom {
  /** Gaussian numbers, rounded to f32 so that f32 and f64 runs see the same input. */
  normal(shape: Shape, o?: { mean?: number; std?: number }): HostArray;
  /** Numbers in [low, high), rounded to f32. */
  uniform(shape: Shape, o?: { low?: number; high?: number }): HostArray;
  /** Integers in [low, high), as `i32`. */
  integer(shape: Shape, o: { low?: number; high: number }): HostArray;
  /** One number in [0, 1). */
  next(): number;
}

/**
 * A seeded random source for test data.
 *
 * xorshift128 of Marsaglia (2003) on four words spread from the seed; Gaussians by the polar method.
 */
export function hostRandom(seed: number): HostRandom {
  const words = new Uint32Array(4);
  for (let i = 0, z = seed >>> 0; i < 4; i++) {
    z = (z + 0x9e3779b9) >>> 0;
    let m = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    m = Math.imul(m ^ (m >>> 13), 0xc2b2ae35);
    words[i] = (m ^ (m >>> 16)) >>> 0 || 1;
  }
  const next = (): number => {
    const t = words[0] ^ (words[0] << 11);
    words.copyWithin(0, 1);
    words[3] = words[2] ^ (words[2] >>> 19) ^ t ^ (t >>> 8);
    return words[3] / 2 ** 32;
  };
  const gauss = (): number => {
    for (;;) {
      const u = 2 * next() - 1;
      const v = 2 * next() - 1;
      const s = u * u + v * v;
      if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s);
    }
  };
  const fill = (shape: Shape, f: () => number): Float64Array =>
    Float64Array.from({ length: sizeOf(shape) }, f);
  return {
    next,
    normal: (shape, { mean = 0, std = 1 } = {}) => ({
      shape,
      data: fill(shape, () => Math.fround(mean + std * gauss())),
    }),
    uniform: (shape, { low = 0, high = 1 } = {}) => ({
      shape,
      data: fill(shape, () => Math.fround(low + (high - low) * next())),
    }),
    integer: (shape, { low = 0, high }) => ({
      shape,
      dtype: 'i32',
      data: fill(shape, () => low + Math.floor((high - low) * next())),
    }),
  };
}

/** Number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1);
}

/** Where a host array goes: device and the float type for arrays that are floats. */
export interface Place {
  readonly device: Device;
  readonly dtype: DType;
}

/** The host array as a tensor; floats take the dtype of the place, integers and booleans keep theirs. */
export function toTensor(host: HostArray, { device, dtype }: Place): Tensor {
  const kind = host.dtype ?? dtype;
  const data =
    kind === 'f64'
      ? Float64Array.from(host.data)
      : kind === 'i32'
        ? Int32Array.from(host.data)
        : kind === 'u32'
          ? Uint32Array.from(host.data)
          : kind === 'bool'
            ? Uint8Array.from(host.data)
            : Float32Array.from(host.data);
  return tensor(data, { shape: host.shape, dtype: kind, device });
}

/** Reads a tensor. */
export async function toHost(x: Tensor): Promise<HostArray> {
  const data = Float64Array.from(await x.data());
  const dtype = x.dtype === 'i32' || x.dtype === 'u32' || x.dtype === 'bool' ? x.dtype : undefined;
  return { data, shape: x.shape, ...(dtype ? { dtype } : {}) };
}

/** A tree whose leaves were read, with the paths of the leaves. */
export interface HostTree {
  readonly like: Tree;
  readonly paths: readonly string[];
  readonly leaves: readonly HostArray[];
}

/** Reads all leaves of a tree of tensors. */
export async function treeToHost(tree: Tree): Promise<HostTree> {
  const entries = treeEntries(tree);
  const leaves: HostArray[] = [];
  for (const [, leaf] of entries) leaves.push(await toHost(leaf));
  return { like: tree, paths: entries.map(([path]) => path), leaves };
}

/** A tree of the same structure with these leaves, on a place. */
export function treeToTensors<T>(
  host: HostTree,
  place: Place,
  leaves: readonly HostArray[] = host.leaves,
): T {
  let i = 0;
  return treeMap(() => toTensor(leaves[i++], place), host.like) as T;
}

/** True for the leaves that have gradients. */
export function isFloatArray(host: HostArray): boolean {
  return host.dtype === undefined;
}

/** Float leaves of a tree, in order. */
export function floatLeaves(tree: Tree): Tensor[] {
  return treeLeaves(tree).filter((x) => x.dtype === 'f32' || x.dtype === 'f64' || x.dtype === 'f16');
}
