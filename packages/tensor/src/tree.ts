import { StateError, FormatError, show } from './engine/errors.js';
import { Tensor } from './tensor.js';

/**
 * Tensors in plain arrays and objects, nested to any depth. Numbers, strings, booleans, null and undefined may
 * stand among them and are passed through untouched.
 */
export type Tree = unknown;

/** Whether a node has others below it. */
export function isBranch(node: unknown): node is Record<string, unknown> | readonly unknown[] {
  if (typeof node !== 'object' || node === null || node instanceof Tensor) return false;
  if (Array.isArray(node)) return true;
  const proto = Object.getPrototypeOf(node) as unknown;
  return proto === Object.prototype || proto === null;
}

/** Applies `f` to every tensor of a tree (and of further trees of the same structure at the same place). */
export function treeMap<T extends Tree>(
  f: (leaf: Tensor, ...others: Tensor[]) => unknown,
  tree: T,
  ...rest: Tree[]
): T {
  const walk = (node: unknown, others: unknown[]): unknown => {
    if (node instanceof Tensor) return f(node, ...(others as Tensor[]));
    if (!isBranch(node)) return node;
    if (Array.isArray(node))
      return node.map((n, i) =>
        walk(
          n,
          others.map((o) => (o as unknown[])[i]),
        ),
      );
    const branch = node as Record<string, unknown>;
    const out: Record<string, unknown> = {};
    for (const k of Object.keys(branch))
      out[k] = walk(
        branch[k],
        others.map((o) => (o as Record<string, unknown>)[k]),
      );
    return out;
  };
  return walk(tree, rest) as T;
}

/** The tensors of a tree with their paths such as `layers.0.weight`, in the order of keys. */
export function treeEntries(tree: Tree): [path: string, leaf: Tensor][] {
  const out: [string, Tensor][] = [];
  const walk = (node: unknown, path: string): void => {
    if (node instanceof Tensor) out.push([path, node]);
    else if (isBranch(node)) {
      for (const [k, n] of Object.entries(node)) walk(n, path === '' ? k : `${path}.${k}`);
    }
  };
  walk(tree, '');
  return out;
}

/** The tensors of a tree, in the order of `treeEntries`. */
export function treeLeaves(tree: Tree): Tensor[] {
  const out: Tensor[] = [];
  const walk = (node: unknown): void => {
    if (node instanceof Tensor) out.push(node);
    else if (isBranch(node)) Object.values(node).forEach(walk);
  };
  walk(tree);
  return out;
}

/** A tree like `like` with the tensors of `leaves`, in order. */
export function treeUnflatten<T extends Tree>(like: T, leaves: readonly Tensor[]): T {
  let i = 0;
  return treeMap(() => leaves[i++], like);
}

/**
 * A tree like `like` with tensors looked up by path.
 *
 * @throws FormatError when a path is missing, one is left over, or a shape or element type differs
 */
export function treeFromEntries<T extends Tree>(like: T, entries: ReadonlyMap<string, Tensor>): T {
  const wanted = treeEntries(like);
  for (const [path, t] of wanted) {
    const got = entries.get(path);
    if (got === undefined)
      throw new FormatError(`treeFromEntries: "${path}" is missing. The data belongs to another model.`);
    if (
      got.dtype !== t.dtype ||
      got.shape.length !== t.shape.length ||
      got.shape.some((d, i) => d !== t.shape[i])
    ) {
      throw new FormatError(
        `treeFromEntries: "${path}" must be ${t.dtype} ${show(t.shape)}, got ${got.dtype} ${show(got.shape)}. The data belongs to another model.`,
      );
    }
  }
  if (entries.size !== wanted.length) {
    const names = new Set(wanted.map(([p]) => p));
    const extra = [...entries.keys()].filter((p) => !names.has(p));
    throw new FormatError(
      `treeFromEntries: "${extra[0]}" is not part of the model (${extra.length} such). The data belongs to another model.`,
    );
  }
  return treeUnflatten(
    like,
    wanted.map(([p]) => entries.get(p)!),
  );
}

/** Disposes every tensor of a tree. */
export function disposeTree(tree: Tree): void {
  for (const t of treeLeaves(tree)) t.dispose();
}

/** New handles to the same values: a fork of a state, a copy of parameters. Immutable values make it free. */
export function cloneTree<T extends Tree>(tree: T): T {
  return treeMap((t) => t.alias(), tree);
}

/**
 * Takes a tree over: the answer has new handles to the same values, the old handles are dead.
 *
 * @param message  for those who use an old handle later
 */
export function move<T extends Tree>(
  tree: T,
  message: string = 'move: this tensor was moved. Use the value that the call returned, or cloneTree() before it.',
): T {
  const moved = cloneTree(tree);
  for (const t of treeLeaves(tree)) t.kill(() => new StateError('state-moved', message));
  return moved;
}
