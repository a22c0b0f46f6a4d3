import { OptionError } from './engine/errors.js';
import { closing } from './engine/state.js';
import type { Disposable } from './engine/state.js';
import { treeLeaves } from './tree.js';

/**
 * Runs `f` and disposes every handle made in it except those it returns.
 *
 * Nothing inside waits for the garbage collector. Scopes nest; what an inner one returns belongs to the outer.
 *
 * @throws OptionError when `f` is asynchronous: other code could then run inside the scope
 */
export function scope<T>(f: () => T): T {
  return closing(
    () => {
      const result = f();
      if (result instanceof Promise) {
        throw new OptionError(
          'scope: the function must not be asynchronous. Await outside, and dispose() by hand there.',
        );
      }
      return result;
    },
    (result) => {
      const kept = new Set<Disposable>(treeLeaves(result));
      return (h) => kept.has(h) || pinned.has(h);
    },
  );
}

const pinned = new WeakSet<Disposable>();

/** Lets tensors survive the scopes they were made in; they then live until disposed or garbage collected. */
export function keep<T>(tree: T): T {
  for (const t of treeLeaves(tree)) pinned.add(t);
  return tree;
}
