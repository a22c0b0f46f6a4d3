import { treeEntries, treeLeaves, treeMap } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';

/** Number of parameters in a tree. */
export function countParams(params: unknown): number {
  return treeLeaves(params).reduce((n, leaf) => n + leaf.size, 0);
}

/** Paths of the parameters, such as `layers.0.weight`, in the order of keys. */
export function paramNames(params: unknown): string[] {
  return treeEntries(params).map(([path]) => path);
}

/** A tree of booleans in the places of the tensors of P. */
export type Mask<P> = P extends Tensor ? boolean : P extends object ? { [K in keyof P]: Mask<P[K]> } : P;

/**
 * Marks what weight decay acts on: a tree like `params` with true where it does.
 *
 * Not decayed: scalars and vectors (gains, biases, decays), whatever stands under a name that ends in `norm`,
 * whatever is called `bias`, and what `noDecay` lists.
 *
 * @param params   tree of tensors
 * @param noDecay  paths or beginnings of paths; `*` stands for any one name: `layers.*.logDecay`
 */
export function decayMask<P>(params: P, noDecay: readonly string[] = []): Mask<P> {
  const patterns = noDecay.map((pattern) => pattern.split('.'));
  const marks = treeEntries(params).map(([path, leaf]) => {
    const names = path.split('.');
    const exempt =
      leaf.ndim < 2 ||
      names.at(-1) === 'bias' ||
      names.some((name) => /norm$/i.test(name)) ||
      patterns.some((pattern) => begins(names, pattern));
    return !exempt;
  });
  let i = 0;
  return treeMap(() => marks[i++], params as unknown) as Mask<P>;
}

function begins(names: readonly string[], pattern: readonly string[]): boolean {
  return pattern.length <= names.length && pattern.every((p, i) => p === '*' || p === names[i]);
}
